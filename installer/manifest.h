/*
 * The manifest beside files on the medium, in the form of sha256sum(1): a line "DIGEST  NAME" for each file of the
 * folder. Lines that start with '#' are comments.
 */
#pragma once

#include "common/base/error.h"
#include "common/sys/hash.h"

/*
 * In dom0's root, whose every block the kernel compares with the root hash: the digests of what else lies on the medium,
 * by path there. The builder writes it.
 */
#define MEDIUM_DIGESTS "usr/lib/bulkhead/medium.sha256"

/* The digest promised for `name`. -ENOENT when the manifest does not name it, -EBADMSG when it is not readable. */
int manifest_digest(const char *path, const char *name, char digest[SHA256_HEX], struct error *err);
/* The digest that the root at `source` has for `path` of the medium; errors as above. */
int manifest_medium_digest(const char *source, const char *path, char digest[SHA256_HEX], struct error *err);
/* Is `path` of the medium the file that this root was built with? -EBADMSG: no, and err says so. */
int manifest_check_medium(const char *source, const char *medium, const char *path, struct error *err);
