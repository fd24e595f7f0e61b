/*
 * Image definitions: templates/NAME.yaml, dom0-rootfs/NAME.yaml, builder/NAME.yaml, iso/NAME.yaml.
 * One schema for all images; a key that is not in it is an error with file:line, and so is a key
 * that the output's kind does not use.
 *
 *     name: debian-13-minimal              # that of the file
 *     family: deb                          # or iso
 *     suites: [trixie, trixie-updates, trixie-security]    # "-security" comes from the security
 * archive components: [main]                   # default variant: essential                   #
 * default: all Essential packages, and `packages` packages: [systemd-sysv, ...]        # solved by
 * apt without Recommends runtime: [bulkhead-guest]            # packages of ours, from
 * runtime/packages overlay: debian-13-minimal.overlay   # folder beside the definition, laid over
 * the root; root-owned medium: iso                          # image of the medium it lies on: what that takes from
 * other images has its digests in the root (ROOT_MEDIUM_DIGESTS) images: [dom0, ...]  # images whose outputs are inputs here
 * (iso) files: {/path/on/iso: image/output}  # (iso) what lies where; a value without '/' is a file
 * beside the definition outputs: root.img:      {kind: template-disk, size: 10G, label: "Root
 * filesystem"} root.erofs:    {kind: erofs, verity: true, path: /usr/lib/modules} vmlinuz: {kind:
 * file, path: "/boot/vmlinuz-*"} initramfs.img: {kind: dracut, args: [...]} initramfs:     {kind:
 * guest-initramfs, init: /usr/lib/bulkhead/guest-init, modules: [ext4, ...]} bulkhead.iso:  {kind:
 * iso, volume: BULKHEAD, menu: grub.cfg} root.tar:      {kind: tar} root:          {kind: dir}
 *       root.ext4:     {kind: ext4, size: 2G, label: x}
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
	uint64_t size; /* bytes; 0: as large as the content needs */
	bool verity;   /* erofs: also NAME.verity and NAME.roothash (without NAME's suffix) */
	const char
		*path; /* file: glob(7) pattern that must match once; erofs: folder (NULL: all) */
	const char *label;	    /* of partition or file system */
	const char *init;	    /* guest-initramfs: program that becomes /init */
	const char *volume;	    /* iso: volume id */
	const char *menu;	    /* iso: boot menu, a file beside the definition */
	const char *compress;	    /* erofs, iso, template-disk: as the tool spells it */
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
