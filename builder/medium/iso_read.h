/*
 * Reading a medium (ECMA-119 with Rock Ridge names, in a GUID partition table), from a file or from
 * the stick it was written to: which file lies at which bytes. Ours instead of libarchive's because
 * what is wrong has to be named by its offset, and a hash tree is not read from front to back.
 *
 * All of it is untrusted: -EBADMSG, with err naming the offset, for whatever cannot be.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"

struct iso_file {
	const char *path;      /* "/boot/xen.gz" */
	uint64_t offset, size; /* bytes of the image */
};

struct iso {
	const char *name; /* of the image, for messages */
	int fd;
	uint64_t size;	   /* of the image; the stick may be larger */
	char volume[33];   /* volume id, without blanks at its end */
	struct iso_file *files; /* sorted by path */
	size_t n_files;
	struct iso_file esp; /* the EFI system partition; size 0: there is none */
	uint64_t folders_bytes, files_bytes; /* so far: bounds what extents that overlap can cost */
};

/* The descriptor and `name` stay the caller's and must outlive the result, which iso_close frees. */
int iso_open(int fd, const char *name, struct iso **out, struct error *err);
void iso_close(struct iso *iso);

/* NULL when there is none. */
const struct iso_file *iso_find(const struct iso *iso, const char *path);
/* Exactly n bytes of the file. -EINVAL beyond its end, or what pread(2) says. */
int iso_read(const struct iso *iso, const struct iso_file *f, void *to, size_t n, uint64_t offset);
/* A small file as a whole; -EFBIG beyond `max`. The text is the caller's and ends in NUL. */
int iso_read_text(const struct iso *iso, const struct iso_file *f, size_t max, char **text);

static inline void cleanup_iso(struct iso **iso)
{
	iso_close(*iso);
}
#define _cleanup_iso_ _cleanup_(cleanup_iso)
