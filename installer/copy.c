#include "installer/copy.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "common/base/alloc.h"
#include "common/base/strbuf.h"
#include "common/base/strmap.h"
#include "common/sys/file.h"

enum { BUFFER = 1 << 20, XATTR_NAMES_MAX = 65536, XATTR_VALUE_MAX = 65536, DEPTH_MAX = 256 };

struct copier {
	int to_root;
	const struct copy_watch *watch;
	struct strbuf path;	/* of the object at hand, for hard links and messages */
	struct strmap links;	/* "device:inode" -> allocated path of its first name */
	char *buffer;
	unsigned depth;
	struct error *err;
};

static int copy_fail(struct copier *c, int code, const char *doing)
{
	return error_errno(c->err, code, c->path.n ? c->path.p : "/", doing);
}

static void copier_free(struct copier *c)
{
	for (size_t i = 0; i < c->links.cap; i++)
		if (c->links.slots[i].key)
			free(c->links.slots[i].value);
	strmap_free(&c->links);
	strbuf_free(&c->path);
	free(c->buffer);
}

/* `digest` may be NULL. */
static int copy_data(int from, int to, char *buffer, const struct copy_watch *watch, struct sha256 *digest)
{
	posix_fadvise(from, 0, 0, POSIX_FADV_SEQUENTIAL);
	for (;;) {
		ssize_t n = read(from, buffer, BUFFER);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		if (digest)
			sha256_add(digest, buffer, (size_t)n);
		r = write_all(to, buffer, (size_t)n);
		if (r < 0)
			return r;
		if (watch && watch->add)
			watch->add(watch->data, (uint64_t)n);
	}
}

/* Through /proc/self/fd because a link's own attributes have no descriptor to set them by. */
static int copy_xattrs(const char *from, const char *to)
{
	_cleanup_free_ char *names = xmalloc(XATTR_NAMES_MAX);
	_cleanup_free_ char *value = NULL;
	ssize_t n = llistxattr(from, names, XATTR_NAMES_MAX);

	if (n < 0)
		return errno == EOPNOTSUPP ? 0 : -errno;
	for (const char *name = names; name < names + n; name += strlen(name) + 1) {
		ssize_t size;

		if (!value)
			value = xmalloc(XATTR_VALUE_MAX);
		size = lgetxattr(from, name, value, XATTR_VALUE_MAX);
		if (size < 0 || lsetxattr(to, name, value, (size_t)size, 0))
			return -errno;
	}
	return 0;
}

/* Owner first: changing it clears set-user-ID bits and file capabilities. */
static int copy_attributes(int from, int to, const char *name, const struct stat *st)
{
	const struct timespec times[2] = {st->st_atim, st->st_mtim};
	_cleanup_free_ char *source = xasprintf("/proc/self/fd/%d/%s", from, name);
	_cleanup_free_ char *target = xasprintf("/proc/self/fd/%d/%s", to, name);
	int r;

	if (fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW))
		return -errno;
	if (!S_ISLNK(st->st_mode) && fchmodat(to, name, st->st_mode & 07777, 0))
		return -errno;
	r = copy_xattrs(source, target);
	if (r < 0)
		return r;
	return utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
}

static int tell_digest(struct copier *c, const char hex[SHA256_HEX])
{
	int r = c->watch && c->watch->digest ? c->watch->digest(c->watch->data, c->path.p, hex) : 0;

	return r < 0 ? copy_fail(c, r, "cannot note the digest") : 0;
}

static int copy_content(struct copier *c, int in, int out)
{
	_cleanup_sha256_ struct sha256 *digest = c->watch && c->watch->digest ? sha256_new() : NULL;
	char hex[SHA256_HEX];
	int r = copy_data(in, out, c->buffer, c->watch, digest);

	if (r < 0)
		return copy_fail(c, r, "cannot copy");
	if (!digest)
		return 0;
	sha256_end_hex(digest, hex);
	digest = NULL;
	return tell_digest(c, hex);
}

/*
 * Of an earlier copy that was cut short. 1: the file is there as it must be; 0: it was in the way and is gone, or there
 * was nothing.
 */
static int keep_regular(struct copier *c, int from, int to, const char *name, const struct stat *st)
{
	char here[SHA256_HEX], there[SHA256_HEX];
	struct stat old;
	int r;

	if (fstatat(to, name, &old, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : copy_fail(c, -errno, "cannot read");
	if (S_ISREG(st->st_mode) && S_ISREG(old.st_mode) && old.st_size == st->st_size) {
		if ((r = sha256_file(from, name, here, NULL)) < 0 || (r = sha256_file(to, name, there, NULL)) < 0)
			return copy_fail(c, r, "cannot read");
		if (!strcmp(here, there)) {
			if (c->watch->add)
				c->watch->add(c->watch->data, (uint64_t)st->st_size);
			r = tell_digest(c, here);
			return r < 0 ? r : 1;
		}
	}
	r = remove_tree(to, name);
	return r < 0 ? copy_fail(c, r, "cannot remove what an earlier try left") : 0;
}

static int copy_regular(struct copier *c, int from, int to, const char *name)
{
	_cleanup_close_ int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int out = -1;

	if (in < 0)
		return copy_fail(c, -errno, "cannot open");
	out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return copy_fail(c, -errno, "cannot create");
	return copy_content(c, in, out);
}

static int copy_link(struct copier *c, int from, int to, const char *name)
{
	char target[4096];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return copy_fail(c, -errno, "cannot read the link");
	target[n] = '\0';
	return symlinkat(target, to, name) ? copy_fail(c, -errno, "cannot create the link") : 0;
}

/* True when another name of the same file was copied and this one is now a link to it; < 0 on error. */
static int copy_hard_link(struct copier *c, int to, const char *name, const struct stat *st)
{
	_cleanup_free_ char *key = xasprintf("%ju:%ju", (uintmax_t)st->st_dev, (uintmax_t)st->st_ino);
	const char *first;

	if (S_ISDIR(st->st_mode) || st->st_nlink < 2)
		return 0;
	first = strmap_get(&c->links, key);
	if (!first) {
		strmap_put(&c->links, key, xstrdup(c->path.p));
		return 0;
	}
	if (c->watch && c->watch->again && unlinkat(to, name, 0) && errno != ENOENT)
		return copy_fail(c, -errno, "cannot remove what an earlier try left");
	return linkat(c->to_root, first, to, name, 0) ? copy_fail(c, -errno, "cannot create the hard link") : 1;
}

static int copy_folder(struct copier *c, int from, int to);

static int copy_subfolder(struct copier *c, int from, int to, const char *name)
{
	_cleanup_close_ int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int out = -1;
	int r;

	if (in < 0)
		return copy_fail(c, -errno, "cannot open");
	if (mkdirat(to, name, 0700) && errno != EEXIST)
		return copy_fail(c, -errno, "cannot create");
	out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out < 0)
		return copy_fail(c, -errno, "cannot create");
	if (++c->depth > DEPTH_MAX)
		return copy_fail(c, -ELOOP, "cannot copy");
	r = copy_folder(c, in, out);
	c->depth--;
	return r;
}

static int copy_object(struct copier *c, int from, int to, const char *name)
{
	struct stat st;
	int r;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW))
		return copy_fail(c, -errno, "cannot read");
	r = copy_hard_link(c, to, name, &st);
	if (r)
		return r < 0 ? r : 0;
	r = c->watch && c->watch->again && !S_ISDIR(st.st_mode) ? keep_regular(c, from, to, name, &st) : 0;
	if (r)
		r = r < 0 ? r : 0;
	else if (S_ISDIR(st.st_mode))
		r = copy_subfolder(c, from, to, name);
	else if (S_ISREG(st.st_mode))
		r = copy_regular(c, from, to, name);
	else if (S_ISLNK(st.st_mode))
		r = copy_link(c, from, to, name);
	else if (mknodat(to, name, st.st_mode & (S_IFMT | 07777), st.st_rdev))
		r = copy_fail(c, -errno, "cannot create the node");
	if (r < 0)
		return r;
	r = copy_attributes(from, to, name, &st);
	return r < 0 ? copy_fail(c, r, "cannot set owner, mode or attributes") : 0;
}

static int copy_folder(struct copier *c, int from, int to)
{
	_cleanup_closedir_ DIR *dir = fdopendir(openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	size_t base = c->path.n;
	struct dirent *e;

	if (!dir)
		return copy_fail(c, -errno, "cannot list");
	while (errno = 0, (e = readdir(dir))) {
		int r;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		strbuf_printf(&c->path, "%s%s", base ? "/" : "", e->d_name);
		r = copy_object(c, from, to, e->d_name);
		if (r < 0)
			return r;
		c->path.n = base;
		c->path.p[base] = '\0';
	}
	return errno ? copy_fail(c, -errno, "cannot list") : 0;
}

int copy_tree(int from, int to, const struct copy_watch *watch, struct error *err)
{
	struct copier c = {.to_root = to, .watch = watch, .buffer = xmalloc(BUFFER), .err = err};
	struct stat st;
	int r = copy_folder(&c, from, to);

	if (r == 0 && (fstat(from, &st) || (r = copy_attributes(from, to, ".", &st)) < 0))
		r = copy_fail(&c, r < 0 ? r : -errno, "cannot set owner, mode or attributes");
	copier_free(&c);
	return r;
}

int copy_one(int from, int to, const char *name, struct error *err)
{
	struct copier c = {.to_root = to, .buffer = xmalloc(BUFFER), .err = err};
	int r;

	strbuf_add_str(&c.path, name);
	r = remove_tree(to, name);
	if (r < 0)
		copy_fail(&c, r, "cannot replace");
	else
		r = copy_object(&c, from, to, name);
	copier_free(&c);
	return r;
}

static int measure(int from, const char *name, struct strmap *seen, uint64_t *bytes)
{
	_cleanup_closedir_ DIR *dir =
		fdopendir(openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
	struct dirent *e;

	if (!dir)
		return -errno;
	while ((e = readdir(dir))) {
		struct stat st;
		int r;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || e->d_type == DT_LNK)
			continue;
		if (e->d_type == DT_DIR) {
			r = measure(dirfd(dir), e->d_name, seen, bytes);
			if (r < 0)
				return r;
			continue;
		}
		if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			return -errno;
		if (!S_ISREG(st.st_mode))
			continue;
		if (st.st_nlink > 1) {
			_cleanup_free_ char *key = xasprintf("%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);

			if (strmap_put(seen, key, seen))
				continue;
		}
		*bytes += (uint64_t)st.st_size;
	}
	return 0;
}

int copy_measure(int from, const char *name, uint64_t *bytes, struct error *err)
{
	_cleanup_strmap_ struct strmap seen = {0};
	int r;

	*bytes = 0;
	r = measure(from, name, &seen, bytes);
	return r < 0 ? error_errno(err, r, name, "cannot read the tree") : 0;
}

static int check_copy(struct sha256 *digest, const char *sha256, const char *from, const char *to, struct error *err)
{
	char hex[SHA256_HEX];

	if (!digest)
		return 0;
	sha256_end_hex(digest, hex);
	if (!strcmp(hex, sha256))
		return 0;
	unlink(to);
	return error_set(err, -EBADMSG, from, "write the stick again", "is not what the medium was made with");
}

int copy_file(const char *from_path, const char *to_path, const char *sha256, const struct copy_watch *watch,
	      struct error *err)
{
	_cleanup_sha256_ struct sha256 *digest = sha256 ? sha256_new() : NULL;
	_cleanup_close_ int from = open(from_path, O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int to = -1;
	_cleanup_free_ char *buffer = NULL;
	struct stat st;
	int r;

	if (from < 0 || fstat(from, &st))
		return error_errno(err, -errno, from_path, "cannot open");
	r = mkdir_parents(AT_FDCWD, to_path, 0755);
	if (r < 0)
		return error_errno(err, r, to_path, "cannot create the folder of");
	to = open(to_path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return error_errno(err, -errno, to_path, "cannot create");
	buffer = xmalloc(BUFFER);
	r = copy_data(from, to, buffer, watch, digest);
	/* Files on a medium carry no modes worth keeping. */
	if (r == 0 && (fchmod(to, 0644) || fsync(to)))
		r = -errno;
	return r < 0 ? error_errno(err, r, to_path, "cannot write")
		     : check_copy(take_ptr(digest), sha256, from_path, to_path, err);
}
