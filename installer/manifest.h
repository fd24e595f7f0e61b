/*
 * The manifest beside files on the medium, in the form of sha256sum(1): a line "DIGEST  NAME" for each file of the
 * folder. Lines that start with '#' are comments.
 */
#pragma once

#include "common/base/error.h"
#include "common/sys/hash.h"

/* The digest promised for `name`. -ENOENT when the manifest does not name it, -EBADMSG when it is not readable. */
int manifest_digest(const char *path, const char *name, char digest[SHA256_HEX], struct error *err);
