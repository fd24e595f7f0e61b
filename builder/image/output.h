/*
 * What a writer of artefacts gets. A writer runs in a process of its own, after everything it needs is there, and
 * puts its results into job->out_dir, an empty folder that becomes a store entry when the writer returns 0.
 *
 * What it may read is what is named here: all of it is part of the key under which the result is stored. Tools run
 * in the sandbox (builder/sandbox.h) with job->tools_root as their read-only root, never from the host.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "builder/definition.h"
#include "common/base/arena.h"
#include "common/base/error.h"

/* An output of another image. For one that writes several files (erofs with verity) each file is an input. */
struct output_input {
	const char *name; /* "dom0/vmlinuz": image/artefact */
	const char *path; /* absolute path of the file in the store; read-only */
};

struct output_job {
	const struct definition *definition;
	const struct definition_output *output;
	const char *source_root; /* of the source tree: only for files of the tree that `needs` declared */
	const char *version;	 /* text of VERSION */
	/* The finished root of this image: sorted tar with clamped times; NULL for family iso. */
	const char *root_tar;
	/*
	 * The same as a folder, only where output_needs() asked for it (else NULL). Shared and never written: use it
	 * as a sandbox root with SANDBOX_READ_ONLY, or SANDBOX_THROWAWAY for programs that must write.
	 */
	const char *root_dir;
	const char *tools_root; /* root folder of tools-image; NULL when not asked for */
	uint64_t epoch;		/* seconds; SOURCE_DATE_EPOCH of the image (iso: the newest of its images) */
	const struct output_input *inputs;
	size_t n_inputs;
	const char *out_dir; /* absolute; write `output->name` in it (and its companions) */
	const char *tmp_dir; /* absolute; scratch on the same file system, empty, removed afterwards */
};

/* What a kind of output needs. The graph makes these steps first and puts their keys into the writer's key. */
struct output_needs {
	bool root_tar, root_dir, tools;
	/* Bump when the bytes this writer produces from the same inputs change. */
	unsigned revision;
};

/* 0, or a negative errno with err set. */
typedef int output_write_fn(const struct output_job *job, struct error *err);

output_write_fn output_erofs_write;
output_write_fn output_ext4_write;
output_write_fn output_template_disk_write;
output_write_fn output_file_write;
output_write_fn output_dracut_write;
output_write_fn output_guest_initramfs_write;
output_write_fn output_iso_write;

/* The table of kinds, in builder/image/outputs.c: who writes it and what it needs. write is NULL for tar and dir. */
struct output_class {
	output_write_fn *write;
	struct output_needs needs;
};

const struct output_class *output_class(enum output_kind kind);

/* That an output can consist of. */
enum { OUTPUT_FILES_MAX = 3 };
/*
 * File names that the output consists of: the first is output->name. NULL-terminated.
 * "root.erofs" with verity: root.erofs, root.verity (hash tree), root.roothash (text). A template-disk "root.img":
 * root.img, root.img.zst, root.img.manifest (sha256sum(1) of both). A guest-initramfs "initramfs": initramfs,
 * initramfs.version (text: the kernel's release).
 */
void output_files(struct arena *a, const struct definition_output *o, const char *names[OUTPUT_FILES_MAX + 1]);

/* The input of that name; NULL when the definition did not name its image. */
const char *output_input_path(const struct output_job *job, const char *name);
