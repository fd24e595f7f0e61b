/* Removal of the store's entries by use, age and size. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/history.h"
#include "builder/store.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"

enum { DEPTH_MAX = 256 };

struct entry {
	char key[SHA256_HEX];
	bool used; /* the newest result of its step */
	struct timespec made;
	unsigned long long bytes;
};

struct entries {
	struct entry *v;
	size_t n;
};

static void entries_free(struct entries *list)
{
	free(list->v);
}

static DIR *open_folder(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d && fd >= 0)
		close(fd);
	return d;
}

/* What a tree takes on the disk. A file that other entries share is counted with each of them. */
static int add_tree(int parent, const char *name, unsigned depth, unsigned long long *bytes)
{
	_cleanup_closedir_ DIR *d = NULL;
	const struct dirent *e;
	struct stat st;
	int r = 0;

	if (depth > DEPTH_MAX)
		return -ELOOP;
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	*bytes += (unsigned long long)st.st_blocks * 512;
	if (!S_ISDIR(st.st_mode))
		return 0;
	if (!(d = open_folder(parent, name)))
		return -errno;
	while (r == 0 && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = add_tree(dirfd(d), e->d_name, depth + 1, bytes);
	return r;
}

/* All entries, their sizes not yet known. */
static int list_entries(const struct store *s, int fd, struct entries *list)
{
	_cleanup_strmap_ struct strmap used = {0};
	_cleanup_closedir_ DIR *d = open_folder(fd, ".");
	const struct dirent *e;
	int r = history_keys(s, &used);

	if (!d)
		return -errno;
	while (r == 0 && (e = readdir(d))) {
		struct entry *new;
		struct stat st;

		if (!sha256_is_hex(blob_of(e->d_name)))
			continue;
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		list->v = xreallocarray(list->v, list->n + 1, sizeof(*list->v));
		new = &list->v[list->n++];
		*new = (struct entry){.made = st.st_mtim, .used = strmap_get(&used, e->d_name)};
		memcpy(new->key, e->d_name, SHA256_HEX);
	}
	return r;
}

/* In the order in which they go. */
static int unused_and_oldest_first(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->used != y->used)
		return x->used ? 1 : -1;
	if (x->made.tv_sec != y->made.tv_sec)
		return x->made.tv_sec < y->made.tv_sec ? -1 : 1;
	if (x->made.tv_nsec != y->made.tv_nsec)
		return x->made.tv_nsec < y->made.tv_nsec ? -1 : 1;
	return strcmp(x->key, y->key);
}

static int remove_some(const struct store *s, int fd, const struct store_gc *gc, struct store_gc_result *result)
{
	_cleanup_(entries_free) struct entries list = {0};
	int r = list_entries(s, fd, &list);

	for (size_t i = 0; r == 0 && i < list.n; i++) {
		r = add_tree(fd, list.v[i].key, 0, &list.v[i].bytes);
		result->left_bytes += list.v[i].bytes;
	}
	if (r < 0)
		return r;
	if (list.n)
		qsort(list.v, list.n, sizeof(*list.v), unused_and_oldest_first);
	result->left = list.n;
	for (size_t i = 0; i < list.n; i++) {
		const struct entry *e = &list.v[i];

		if ((e->used || e->made.tv_sec >= gc->made_before) && result->left_bytes <= gc->keep_bytes)
			continue;
		if (!gc->dry_run && (r = store_remove(s, e->key)) < 0)
			return r;
		result->removed++;
		result->removed_bytes += e->bytes;
		result->left--;
		result->left_bytes -= e->bytes;
	}
	return 0;
}

bool store_has_unused(const struct store *s, unsigned long long bytes)
{
	_cleanup_close_ int fd = open(store_path(s), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(entries_free) struct entries list = {0};
	unsigned long long found = 0;

	if (fd < 0 || list_entries(s, fd, &list) < 0)
		return false;
	/* What cannot be counted, another process removes just now. */
	for (size_t i = 0; i < list.n && found <= bytes; i++)
		if (!list.v[i].used)
			add_tree(fd, list.v[i].key, 0, &found);
	return found > bytes;
}

int store_collect(struct store *s, const struct store_gc *gc, struct store_gc_result *result,
		  struct error *err)
{
	_cleanup_close_ int fd = open(store_path(s), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	*result = (struct store_gc_result){0};
	if (fd < 0)
		return error_errno(err, -errno, store_path(s), "cannot open the store");
	if ((r = store_exclusive(s)) < 0)
		return r == -EWOULDBLOCK ? error_set(err, r, store_path(s), "wait until it has ended",
						     "a build is using the store")
					 : error_errno(err, r, store_path(s), "cannot lock the store");
	r = remove_some(s, fd, gc, result);
	return r < 0 ? error_errno(err, r, store_path(s), "cannot remove from the store") : 0;
}
