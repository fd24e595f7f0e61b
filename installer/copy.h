/*
 * A whole tree, exactly: modes, owners, times, extended attributes (file capabilities among them), hard links,
 * symbolic links and device nodes. Streams: memory does not grow with the size of files, only with the number of
 * hard-linked ones.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/sys/hash.h"

struct copy_watch {
	void (*add)(void *data, uint64_t bytes); /* may be NULL, as the next */
	/* The SHA-256 of a regular file as it was read; once for all its names. Returns 0 or -errno. */
	int (*digest)(void *data, const char *path, const char hex[SHA256_HEX]);
	void *data;
	/* Goes on where an earlier copy was cut short: what is there is compared, and kept or replaced. */
	bool again;
};

/* Bytes in regular files below folder `name`, each hard-linked one counted once. */
int copy_measure(int from, const char *name, uint64_t *bytes, struct error *err);
/*
 * Copies the content of folder `from` into the existing folder `to`; both are descriptors. Folders that are there
 * already (mount points) are used; any other existing object is -EEXIST, unless the watch says `again`. Errors name the
 * path inside the tree.
 */
int copy_tree(int from, int to, const struct copy_watch *watch, struct error *err);
/* One object of folder `from`, whatever it is, in the place of what has its name in `to`. */
int copy_one(int from, int to, const char *name, struct error *err);
/*
 * One regular file, mode 0644; the data is on disk when this returns. Creates folders above `to_path`. `sha256`: 64 digits
 * that the file must have, else -EBADMSG and there is no copy; NULL: any.
 */
int copy_file(const char *from_path, const char *to_path, const char *sha256, const struct copy_watch *watch,
	      struct error *err);
