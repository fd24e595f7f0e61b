#include "builder/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/base/strv.h"
#include "common/sys/file.h"

enum { LINK_LIMIT = 4096, DEPTH_MAX = 64 };

struct store {
	char *path;
	char *boot; /* id of this boot of the machine */
	int fd;
};

/* Takes the lock of a key: a descriptor, -EWOULDBLOCK, or another -errno. */
static int lock_key(const struct store *s, const char *key, bool wait)
{
	_cleanup_free_ char *name = xasprintf("lock/%s", key);

	for (;;) {
		_cleanup_close_ int fd = openat(s->fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
		struct stat here, there;

		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		/* Someone may have removed the file while we waited: then this lock guards nothing. */
		if (fstat(fd, &here) == 0 && fstatat(s->fd, name, &there, 0) == 0 &&
		    here.st_ino == there.st_ino)
			return take_fd(&fd);
	}
}

static void unlock_key(const struct store *s, const char *key, int fd)
{
	_cleanup_free_ char *name = xasprintf("lock/%s", key);

	unlinkat(s->fd, name, 0);
	close(fd);
}

/* The names in a folder of the store; none when it is not there. */
static int list_names(const struct store *s, const char *folder, struct strv *names)
{
	_cleanup_closedir_ DIR *d = NULL;
	const struct dirent *e;
	int fd = openat(s->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return -ENOMEM;
	}
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			strv_push(names, e->d_name);
	return 0;
}

/* First out of sight as a whole: a kill in between leaves only what store_open clears away. */
int store_remove(const struct store *s, const char *key)
{
	_cleanup_free_ char *name = xasprintf("tmp/%s", key), *mark = xasprintf("unsynced/%s", key);
	int r = renameat(s->fd, key, s->fd, name) < 0 ? -errno : remove_tree(s->fd, name);

	if (r == 0 || r == -ENOENT)
		unlinkat(s->fd, mark, 0);
	return r;
}

static int remove_leftovers(const struct store *s)
{
	_cleanup_strv_ struct strv names = {0};
	int r = list_names(s, "tmp", &names);

	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *name = xasprintf("tmp/%s", names.v[i]);
		int lock = lock_key(s, names.v[i], false);

		if (lock < 0)
			continue;
		remove_tree(s->fd, name);
		unlock_key(s, names.v[i], lock);
	}
	return r;
}

static char *read_boot_id(void)
{
	_cleanup_strbuf_ struct strbuf text = {0};

	read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &text);
	return text.n ? blob_dup(blob_trim(strbuf_blob(&text))) : xstrdup("unknown");
}

/* Whether the result came in another boot, and nothing says since that it is on the disk. */
static bool is_doubtful(const struct store *s, const char *mark)
{
	char boot[64];
	ssize_t n = readlinkat(s->fd, mark, boot, sizeof(boot));

	return n >= 0 && !blob_eq_str((struct blob){boot, (size_t)n}, s->boot);
}

/* A link is metadata: the file system's journal has it before the new name that comes after it. */
static int mark_unsynced(const struct store *s, const char *key)
{
	_cleanup_free_ char *mark = xasprintf("unsynced/%s", key);
	int r = mkdir_p(s->fd, "unsynced", 0755);

	if (r < 0)
		return r;
	return symlinkat(s->boot, s->fd, mark) < 0 && errno != EEXIST ? -errno : 0;
}

static int remove_doubtful(const struct store *s)
{
	_cleanup_strv_ struct strv keys = {0};
	int r = list_names(s, "unsynced", &keys);

	for (size_t i = 0; i < keys.n; i++) {
		_cleanup_free_ char *mark = xasprintf("unsynced/%s", keys.v[i]);
		int lock = is_doubtful(s, mark) ? lock_key(s, keys.v[i], false) : -1;

		if (lock < 0)
			continue;
		/* Another process may have removed it meanwhile, and made it again. */
		if (is_doubtful(s, mark))
			store_remove(s, keys.v[i]);
		unlock_key(s, keys.v[i], lock);
	}
	return r;
}

int store_sync(const struct store *s, struct error *err)
{
	_cleanup_strv_ struct strv keys = {0};
	int r = list_names(s, "unsynced", &keys);

	if (r == 0 && keys.n && syncfs(s->fd) < 0)
		r = -errno;
	for (size_t i = 0; r == 0 && i < keys.n; i++) {
		_cleanup_free_ char *mark = xasprintf("unsynced/%s", keys.v[i]);

		unlinkat(s->fd, mark, 0);
	}
	return r < 0 ? error_errno(err, r, s->path, "cannot bring results to the disk") : 0;
}

int store_open(const char *path, struct store **out, struct error *err)
{
	struct store *s = xcalloc(1, sizeof(*s));
	int r = mkdir_p(AT_FDCWD, path, 0755);

	s->fd = -1;
	s->boot = read_boot_id();
	s->path = r < 0 ? NULL : realpath(path, NULL);
	if (s->path)
		s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r == 0 && s->fd < 0)
		r = -errno;
	/* Shared by all that use entries; store_exclusive() is refused meanwhile. */
	while (r == 0 && flock(s->fd, LOCK_SH) < 0)
		if (errno != EINTR)
			r = -errno;
	if (r == 0 && (r = mkdir_p(s->fd, "tmp", 0755)) == 0 &&
	    (r = mkdir_p(s->fd, "lock", 0755)) == 0 && (r = remove_leftovers(s)) == 0)
		r = remove_doubtful(s);
	if (r < 0) {
		store_close(s);
		return error_errno(err, r, path, "cannot use it as the store");
	}
	*out = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	free(s->path);
	free(s->boot);
	free(s);
}

int store_exclusive(struct store *s)
{
	return flock(s->fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

const char *store_path(const struct store *s)
{
	return s->path;
}

void store_input(struct strbuf *text, const char *name, const char *value)
{
	if (strchr(value, '\n'))
		strbuf_printf(text, "%s %zu bytes\n%s\n", name, strlen(value), value);
	else
		strbuf_printf(text, "%s %s\n", name, value);
}

void store_input_number(struct strbuf *text, const char *name, unsigned long long value)
{
	strbuf_printf(text, "%s %llu\n", name, value);
}

void store_key(const struct strbuf *text, char key[SHA256_HEX])
{
	sha256_hex(text->p ? text->p : "", text->n, key);
}

bool store_has(const struct store *s, const char *key)
{
	return faccessat(s->fd, key, F_OK, 0) == 0;
}

char *store_entry_path(const struct store *s, const char *key, const char *name)
{
	return name ? xasprintf("%s/%s/%s", s->path, key, name) : xasprintf("%s/%s", s->path, key);
}

static void entry_free(struct store_entry *e)
{
	free(e->out);
	free(e->tmp);
	e->out = e->tmp = NULL;
}

static int make_entry(struct store *s, const struct strbuf *inputs, struct store_entry *e)
{
	_cleanup_free_ char *name = xasprintf("tmp/%s", e->key);
	_cleanup_free_ char *list = NULL;
	int r = remove_tree(s->fd, name);

	if (r < 0)
		return r;
	e->out = xasprintf("%s/%s/out", s->path, name);
	e->tmp = xasprintf("%s/%s/tmp", s->path, name);
	list = xasprintf("%s/inputs", e->out);
	if ((r = mkdir_p(s->fd, name, 0700)) < 0 || (r = mkdir_p(AT_FDCWD, e->out, 0755)) < 0 ||
	    (r = mkdir_p(AT_FDCWD, e->tmp, 0755)) < 0)
		return r;
	return write_file(AT_FDCWD, list, inputs->p ? inputs->p : "", inputs->n, 0644);
}

int store_begin(struct store *s, const char *key, const struct strbuf *inputs,
		struct store_entry *e, struct error *err)
{
	int r;

	*e = (struct store_entry){.lock_fd = -1};
	memcpy(e->key, key, SHA256_HEX);
	if (store_has(s, key))
		return 1;
	e->lock_fd = lock_key(s, key, true);
	if (e->lock_fd < 0)
		return error_errno(err, e->lock_fd, s->path, "cannot lock an entry of the store");
	if (store_has(s, key)) {
		unlock_key(s, key, e->lock_fd);
		return 1;
	}
	r = make_entry(s, inputs, e);
	if (r < 0) {
		store_abort(s, e);
		return error_errno(err, r, s->path, "cannot write to the store");
	}
	return 0;
}

int store_commit(struct store *s, struct store_entry *e, struct error *err)
{
	_cleanup_free_ char *target = store_entry_path(s, e->key, NULL);
	int r = mark_unsynced(s, e->key);

	/* Roots hold programs that are set-id root, and grow old: nobody else gets at them. */
	if (r == 0 && (chmod(e->out, 0700) < 0 || rename(e->out, target) < 0))
		r = -errno;
	store_abort(s, e);
	return r < 0 ? error_errno(err, r, target, "cannot put the result into the store") : 0;
}

void store_abort(struct store *s, struct store_entry *e)
{
	_cleanup_free_ char *name = xasprintf("tmp/%s", e->key);

	remove_tree(s->fd, name);
	unlock_key(s, e->key, e->lock_fd);
	entry_free(e);
}

static int digest_folder(struct sha256 *h, int dirfd, const char *prefix, unsigned depth);

static int digest_entry(struct sha256 *h, int dirfd, const char *name, const char *prefix,
			unsigned depth)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", prefix, name);
	_cleanup_close_ int fd = -1;
	char hex[SHA256_HEX], target[LINK_LIMIT];
	struct stat st;
	ssize_t n;
	int r;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	sha256_add(h, path, strlen(path) + 1);
	if (S_ISDIR(st.st_mode)) {
		sha256_add(h, "d", 1);
		fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		return fd < 0 ? -errno : digest_folder(h, fd, path, depth + 1);
	}
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(dirfd, name, target, sizeof(target));
		if (n < 0)
			return -errno;
		sha256_add(h, "l", 1);
		sha256_add(h, target, (size_t)n);
		return 0;
	}
	r = sha256_file(dirfd, name, hex, NULL);
	sha256_add(h, st.st_mode & 0100 ? "x" : "f", 1);
	sha256_add(h, hex, sizeof(hex));
	return r;
}

static int digest_folder(struct sha256 *h, int dirfd, const char *prefix, unsigned depth)
{
	_cleanup_strv_ struct strv names = {0};
	_cleanup_closedir_ DIR *d = NULL;
	const struct dirent *e;
	int fd = depth > DEPTH_MAX ? -1 : fcntl(dirfd, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return -ELOOP;
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return -ENOMEM;
	}
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			strv_push(&names, e->d_name);
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		int r = digest_entry(h, dirfd, names.v[i], prefix, depth);

		if (r < 0)
			return r;
	}
	return 0;
}

int store_tree_digest(int dirfd, const char *path, char hex[SHA256_HEX])
{
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct sha256 *h;
	int r;

	if (fd < 0)
		return errno == ENOTDIR ? sha256_file(dirfd, path, hex, NULL) : -errno;
	h = sha256_new();
	r = digest_folder(h, fd, "", 0);
	sha256_end_hex(h, hex);
	return r;
}
