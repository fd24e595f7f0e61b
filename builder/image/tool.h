/*
 * Running a program of the tools image for a writer of artefacts. Inside, the writer's folders have
 * fixed names, so that no path of this machine gets into what a program writes.
 */
#pragma once

#include "builder/image/output.h"
#include "builder/sandbox.h"
#include "common/sys/hash.h"

#define TOOL_OUT "/run/out"	      /* job->out_dir, writable */
#define TOOL_WORK "/run/work"	      /* job->tmp_dir, writable */
#define TOOL_ROOT_TAR "/run/root.tar" /* job->root_tar, if there is one */

struct tool {
	const char *const *argv;
	const char *const *env;		  /* further variables, or NULL */
	const struct sandbox_bind *binds; /* further ones */
	size_t n_binds;
	int stdout_fd;	  /* 0: kept for the message */
	const char *root; /* NULL: job->tools_root, read-only; else this root, throw-away */
	bool not_preloaded; /* as in struct sandbox */
};

/* Runs it to its end. -EPROTO when its exit code is not 0; err then holds its last line. */
int tool_run(const struct output_job *job, const struct tool *tool, struct error *err);

/* NAME in the sandbox's path for job->out_dir: "/run/out/NAME"; allocated. */
char *tool_out(const char *name);
/* The same file as seen from outside. */
char *job_out(const struct output_job *job, const char *name);
char *job_work(const struct output_job *job, const char *name);

/*
 * SHA-256 of a file, skipping its holes (they count as zeros): an image of 10 GiB is mostly hole. 0
 * or -errno.
 */
int sparse_sha256(const char *path, char hex[SHA256_HEX], uint64_t *size);

/* zstd of the tools image with fixed settings, `level` 1..19. */
int tool_zstd(const struct output_job *job, const char *from_inside, const char *to_inside,
	      unsigned level, struct error *err);
/* Fills the file up with zeros to a multiple of `align`. */
int file_pad(const char *path, unsigned align, struct error *err);
