/*
 * What lies on the medium, as the verified root knows it, in the form of sha256sum(1): a line "DIGEST  NAME" for each
 * file. Lines that start with '#' are comments.
 */
#pragma once

#include "common/base/error.h"
#include "common/base/strbuf.h"
#include "common/sys/hash.h"

/*
 * In dom0's root, whose every block the kernel compares with the root hash: the digests of what else lies on the medium,
 * by path there. The builder writes it.
 */
#define MEDIUM_DIGESTS "usr/lib/bulkhead/medium.sha256"

struct manifest {
	char *path; /* for messages */
	struct strbuf text;
};

/* The one that the root at `source` has. */
int manifest_load_medium(const char *source, struct manifest *out, struct error *err);
void manifest_free(struct manifest *m);
/* The digest promised for `name`. -ENOENT when the manifest does not name it, -EBADMSG when it is not readable. */
int manifest_digest(const struct manifest *m, const char *name, char digest[SHA256_HEX], struct error *err);
/* Is `name` below the folder `top` the file that is promised? -EBADMSG: no, and err says so. */
int manifest_check_file(const struct manifest *m, const char *top, const char *name, struct error *err);

#define _cleanup_manifest_ _cleanup_(manifest_free)
