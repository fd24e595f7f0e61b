#include "runtime/qubesdb/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"

size_t qdb_store_position(const struct qdb_store *store, const char *path)
{
	size_t low = 0, high = store->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(store->entries[middle]->path, path) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct qdb_entry *qdb_store_get(const struct qdb_store *store, const char *path)
{
	size_t at = qdb_store_position(store, path);

	return at < store->n && !strcmp(store->entries[at]->path, path) ? store->entries[at] : NULL;
}

int qdb_store_put(struct qdb_store *store, const char *path, struct blob value)
{
	size_t at = qdb_store_position(store, path);
	struct qdb_entry *old = NULL;

	if (!qdb_path_is_key(path) || strlen(path) >= QDB_PATH_MAX || value.n > QDB_DATA_MAX ||
	    !qdb_data_valid(value))
		return -EINVAL;
	if (at < store->n && !strcmp(store->entries[at]->path, path))
		old = store->entries[at];
	if (!old && store->n == QDB_STORE_ENTRIES_MAX)
		return -ENOSPC;
	if (store->bytes - (old ? old->n : 0) + value.n > QDB_STORE_BYTES_MAX)
		return -ENOSPC;

	struct qdb_entry *entry = xcalloc(1, sizeof(*entry) + value.n);
	memcpy(entry->path, path, strlen(path));
	entry->n = value.n;
	if (value.n)
		memcpy(entry->value, value.p, value.n);

	if (old) {
		store->bytes -= old->n;
		free(old);
	} else {
		if (store->n == store->cap) {
			store->cap = store->cap ? store->cap * 2 : 64;
			store->entries =
				xreallocarray(store->entries, store->cap, sizeof(*store->entries));
		}
		memmove(store->entries + at + 1, store->entries + at,
			(store->n - at) * sizeof(*store->entries));
		store->n++;
	}
	store->entries[at] = entry;
	store->bytes += value.n;
	return 0;
}

size_t qdb_store_remove(struct qdb_store *store, const char *path)
{
	size_t n = strlen(path), first = qdb_store_position(store, path), end = first;

	if (!n)
		return 0;
	if (path[n - 1] != '/')
		n++; /* compare with the NUL: this path only */
	while (end < store->n && !strncmp(store->entries[end]->path, path, n)) {
		store->bytes -= store->entries[end]->n;
		free(store->entries[end++]);
	}
	if (end > first)
		memmove(store->entries + first, store->entries + end,
			(store->n - end) * sizeof(*store->entries));
	store->n -= end - first;
	return end - first;
}

void qdb_store_free(struct qdb_store *store)
{
	for (size_t i = 0; i < store->n; i++)
		free(store->entries[i]);
	free(store->entries);
	*store = (struct qdb_store){0};
}
