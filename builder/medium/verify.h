/*
 * Is a medium what was built? Every part is compared with what promises it: the hash tree of the
 * live root with the root hash of the boot menu, each file with the medium's own list, each
 * template with its manifest, and the whole image with SHA256SUMS, whose signature is what makes
 * more of it than integrity.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/error.h"
#include "common/sys/hash.h"

struct verify_options {
	const char *sums; /* NULL: SHA256SUMS beside an image; none for a device */
	const char *key;  /* public, of signify(1); NULL: no signature is looked at */
	bool quiet;	  /* no progress line */
};

enum verify_trust {
	VERIFY_MEDIUM, /* only with what the medium says of itself */
	VERIFY_SUMS,   /* and with SHA256SUMS */
	VERIFY_SIGNED, /* which the key has signed */
};

struct verify_part {
	const char *path;
	uint64_t offset, size; /* in the image */
	char sha256[SHA256_HEX];
};

struct verify_report {
	enum verify_trust trust;
	uint64_t size;
	char sha256[SHA256_HEX]; /* of the image; "" with VERIFY_MEDIUM */
	struct verify_part *parts; /* by path; in the arena */
	size_t n_parts;
};

/*
 * `fd` is an image or the device it was written to, which was opened at `path`. 0, or -EBADMSG with
 * err: the first part that is wrong, where it lies, and what to do; or another -errno.
 */
int verify_medium(struct arena *a, int fd, const char *path, const struct verify_options *o,
		  struct verify_report *report, struct error *err);
