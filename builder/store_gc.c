/* Removal of the store's entries by age and size. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/store.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"

enum { DEPTH_MAX = 256 };

struct entry {
	char key[SHA256_HEX];
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

static bool is_key(const char *name)
{
	return strlen(name) == SHA256_HEX - 1 && strspn(name, "0123456789abcdef") == SHA256_HEX - 1;
}

static int list_entries(int fd, struct entries *list)
{
	_cleanup_closedir_ DIR *d = open_folder(fd, ".");
	const struct dirent *e;

	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		struct entry *new;
		struct stat st;
		int r;

		if (!is_key(e->d_name))
			continue;
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		list->v = xreallocarray(list->v, list->n + 1, sizeof(*list->v));
		new = &list->v[list->n++];
		*new = (struct entry){.made = st.st_mtim};
		memcpy(new->key, e->d_name, SHA256_HEX);
		if ((r = add_tree(fd, e->d_name, 0, &new->bytes)) < 0)
			return r;
	}
	return 0;
}

static int oldest_first(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->made.tv_sec != y->made.tv_sec)
		return x->made.tv_sec < y->made.tv_sec ? -1 : 1;
	if (x->made.tv_nsec != y->made.tv_nsec)
		return x->made.tv_nsec < y->made.tv_nsec ? -1 : 1;
	return strcmp(x->key, y->key);
}

static int remove_some(const struct store *s, int fd, const struct store_gc *gc, struct store_gc_result *result)
{
	_cleanup_(entries_free) struct entries list = {0};
	int r = list_entries(fd, &list);

	if (r < 0)
		return r;
	if (list.n)
		qsort(list.v, list.n, sizeof(*list.v), oldest_first);
	for (size_t i = 0; i < list.n; i++)
		result->left_bytes += list.v[i].bytes;
	result->left = list.n;
	for (size_t i = 0; i < list.n; i++) {
		const struct entry *e = &list.v[i];

		if (e->made.tv_sec >= gc->made_before && result->left_bytes <= gc->keep_bytes)
			break;
		if (!gc->dry_run && (r = store_remove(s, e->key)) < 0)
			return r;
		result->removed++;
		result->removed_bytes += e->bytes;
		result->left--;
		result->left_bytes -= e->bytes;
	}
	return 0;
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
