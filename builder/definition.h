/*
 * Image definitions: templates/NAME.yaml, dom0-rootfs/NAME.yaml, builder/NAME.yaml, iso/NAME.yaml.
 * One schema for all images, described in docs/definition.md; a key that is not in it is an error
 * with file:line, and so is a key that the output's kind does not use.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/error.h"
#include "common/base/yaml.h"

/* More than any image needs; what is built from definitions can count on them. */
enum { DEFINITION_OUTPUTS_MAX = 16, DEFINITION_IMAGES_MAX = 12 };

enum definition_family { DEFINITION_DEB, DEFINITION_ISO };

enum output_kind {
	OUTPUT_TAR,
	OUTPUT_DIR,
	OUTPUT_EROFS,
	OUTPUT_EXT4,
	OUTPUT_TEMPLATE_DISK,
	OUTPUT_FILE,
	OUTPUT_DRACUT,
	OUTPUT_GUEST_INITRAMFS,
	OUTPUT_ISO,
	OUTPUT_KINDS,
};

/* One artefact. Strings that were not given are NULL, lists empty (never NULL). */
struct definition_output {
	const char *name; /* file name below out/IMAGE/ */
	enum output_kind kind;
	/* Bytes; 0: the format's default (10 GiB for ext4 and template disks), else as large as the content needs. */
	uint64_t size;
	bool verity;   /* erofs: also NAME.verity and NAME.roothash (without NAME's suffix) */
	const char
		*path; /* file: glob(7) pattern that must match once; erofs: folder (NULL: all) */
	const char *label;	    /* of partition or file system */
	const char *init;	    /* guest-initramfs: program that becomes /init */
	const char *volume;	    /* iso: volume id */
	const char *menu;	    /* iso: boot menu, a file beside the definition */
	const char *compress;	    /* erofs, template-disk: as the tool spells it */
	const char *const *args;    /* dracut: further arguments */
	const char *const *modules; /* guest-initramfs: kernel modules, dependencies are found */
	const struct yaml_node *node;
};

struct definition_file {
	const char *path;   /* where it goes */
	const char *source; /* "image/output", or a file beside the definition */
};

struct definition {
	struct arena *arena;
	const char *path;   /* of the definition, as opened */
	const char *folder; /* where it lies; "." when the path has no slash */
	const char *name;
	enum definition_family family;
	const char *const *suites;
	const char *const *components;
	const char *const *packages;
	const char *const *runtime;
	const char *overlay; /* NULL or a name below `folder` */
	const char *medium;  /* NULL or the name of an image of family iso */
	const char *const *images;
	struct definition_file *files;
	size_t n_files;
	struct definition_output *outputs;
	size_t n_outputs;
};

/*
 * IMAGE is a path (has a slash or ends in ".yaml") or a name that is looked for in templates/,
 * dom0-rootfs/, builder/ and iso/ below `source_root`. On success *path is the caller's. -ENOENT:
 * err says where it was looked for.
 */
int definition_find(const char *source_root, const char *image, char **path, struct error *err);

/* Freed with definition_free. -EINVAL: err names file:line. */
int definition_read(const char *path, struct definition **out, struct error *err);
void definition_free(struct definition *d);

/* "erofs", "template-disk", ... */
const char *output_kind_name(enum output_kind kind);
/* NULL when there is none of that name. */
const struct definition_output *definition_output(const struct definition *d, const char *name);

static inline void cleanup_definition(struct definition **d)
{
	definition_free(*d);
}
#define _cleanup_definition_ _cleanup_(cleanup_definition)
