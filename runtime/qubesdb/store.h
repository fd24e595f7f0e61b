/* The key-value store of one qube: sorted by path, bounded, because the qube itself may write to
 * it. */
#pragma once

#include <stddef.h>

#include "common/base/blob.h"
#include "runtime/qubesdb/protocol.h"

enum {
	QDB_STORE_ENTRIES_MAX = 32768,
	QDB_STORE_BYTES_MAX = 8 << 20, /* of values */
};

struct qdb_entry {
	char path[QDB_PATH_MAX];
	size_t n;
	char value[];
};

struct qdb_store {
	struct qdb_entry **entries;
	size_t n, cap, bytes;
};

/* The entry with exactly this path, or NULL. */
const struct qdb_entry *qdb_store_get(const struct qdb_store *store, const char *path);
/* Position of the first entry that is not before `path`. Entries with a common prefix lie together.
 */
size_t qdb_store_position(const struct qdb_store *store, const char *path);
/* Adds or replaces. -EINVAL: not a key or not a value; -ENOSPC: the store is full. */
int qdb_store_put(struct qdb_store *store, const char *path, struct blob value);
/* Removes the entry, or all below a path that ends in '/'. Returns how many. */
size_t qdb_store_remove(struct qdb_store *store, const char *path);
void qdb_store_free(struct qdb_store *store);
