#include "common/sys/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "common/base/alloc.h"

int read_fd(int fd, size_t max, struct strbuf *out)
{
	size_t total = 0;

	for (;;) {
		size_t room = max - total < 65536 ? max - total + 1 : 65536;
		ssize_t n = read(fd, strbuf_reserve(out, room), room);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		if ((size_t)n > max - total)
			return -EFBIG;
		out->n += (size_t)n;
		out->p[out->n] = '\0';
		total += (size_t)n;
	}
}

int read_file(int dirfd, const char *path, size_t max, struct strbuf *out)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return read_fd(fd, max, out);
}

int write_all(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

int pwrite_all(int fd, const void *data, size_t n, uint64_t offset)
{
	const char *p = data;

	while (n) {
		ssize_t done = pwrite(fd, p, n, (off_t)offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		p += done;
		offset += (uint64_t)done;
		n -= (size_t)done;
	}
	return 0;
}

int read_full(int fd, void *data, size_t n)
{
	char *p = data;

	while (n) {
		ssize_t done = read(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		if (done == 0)
			return -ENODATA;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

int64_t copy_fd(int from, int to)
{
	_cleanup_free_ char *buf = xmalloc(1 << 18);
	int64_t total = 0;

	for (;;) {
		ssize_t n = read(from, buf, 1 << 18);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return total;
		r = write_all(to, buf, (size_t)n);
		if (r < 0)
			return r;
		total += n;
	}
}

int open_within(int dirfd, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = {.flags = (unsigned)flags | O_CLOEXEC, .resolve = resolve | RESOLVE_NO_MAGICLINKS};
	long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

int write_file(int dirfd, const char *path, const void *data, size_t n, mode_t mode)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	if (fd < 0)
		return -errno;
	return write_all(fd, data, n);
}

int sync_parent(int dirfd, const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *dir = slash ? xstrndup(path, (size_t)(slash - path) + 1) : xstrdup(".");
	_cleanup_close_ int fd = openat(dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

static int write_and_sync(int dirfd, const char *path, const void *data, size_t n, mode_t mode)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	int r;

	if (fd < 0)
		return -errno;
	r = write_all(fd, data, n);
	if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
		r = -errno;
	return r;
}

int write_atomic(int dirfd, const char *name, const void *data, size_t n, mode_t mode)
{
	_cleanup_free_ char *tmp = xasprintf("%s.new.%d", name, (int)getpid());
	int r;

	unlinkat(dirfd, tmp, 0); /* of an earlier process with our pid */
	r = write_and_sync(dirfd, tmp, data, n, mode);
	if (r == 0 && renameat(dirfd, tmp, dirfd, name) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dirfd, tmp, 0);
		return r;
	}
	return sync_parent(dirfd, name);
}

int mkdir_p(int dirfd, const char *path, mode_t mode)
{
	_cleanup_free_ char *part = xstrdup(path);

	for (char *p = part; *p;) {
		char *slash = strchr(p + 1, '/');

		if (slash)
			*slash = '\0';
		if (mkdirat(dirfd, part, mode) < 0 && errno != EEXIST) {
			/* A read-only or foreign parent that exists is no obstacle. */
			int saved = errno;
			struct stat st;

			if (fstatat(dirfd, part, &st, 0) < 0 || !S_ISDIR(st.st_mode))
				return -saved;
		}
		if (!slash)
			break;
		*slash = '/';
		p = slash;
	}
	return 0;
}

int mkdir_parents(int dirfd, const char *path, mode_t mode)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *dir = NULL;

	if (!slash || slash == path)
		return 0;
	dir = xstrndup(path, (size_t)(slash - path));
	return mkdir_p(dirfd, dir, mode);
}

/* A tree may be deeper than a process may have descriptors, and may have been made so on purpose. */
enum { REMOVE_DEPTH = 64 };

struct removal {
	dev_t dev;
	int top; /* the tree's folder, to which what lies too deep is moved */
	unsigned moved;
	bool again; /* there is more in it than was seen */
};

static int move_up(struct removal *r, int dirfd, const char *name)
{
	for (;;) {
		char new[32];

		snprintf(new, sizeof(new), ".to-remove-%u", r->moved++);
		if (renameat2(dirfd, name, r->top, new, RENAME_NOREPLACE) == 0) {
			r->again = true;
			return 0;
		}
		if (errno != EEXIST)
			return -errno;
	}
}

static int remove_at(struct removal *removal, int dirfd, const char *name, unsigned depth);

static int remove_members(struct removal *removal, int fd, unsigned depth)
{
	_cleanup_closedir_ DIR *dir = fdopendir(fd);
	struct dirent *e;

	if (!dir) {
		int r = -errno;

		close(fd);
		return r;
	}
	while ((e = readdir(dir))) {
		int r;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		r = remove_at(removal, fd, e->d_name, depth);
		if (r < 0)
			return r;
	}
	return 0;
}

static int remove_at(struct removal *removal, int dirfd, const char *name, unsigned depth)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISDIR(st.st_mode))
		return unlinkat(dirfd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
	if (st.st_dev != removal->dev)
		return -EXDEV;
	/* An unprivileged owner may have to give himself access first. */
	if (geteuid() != 0 && (st.st_mode & 0700) != 0700 && fchmodat(dirfd, name, 0700, 0) < 0)
		return -errno;
	if (depth == REMOVE_DEPTH)
		return move_up(removal, dirfd, name);
	do {
		int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r;

		if (fd < 0)
			return -errno;
		if (depth == 0) {
			removal->top = fd;
			removal->again = false;
		}
		r = remove_members(removal, fd, depth + 1);
		if (r < 0)
			return r;
	} while (depth == 0 && removal->again);
	return unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

int remove_tree(int dirfd, const char *name)
{
	struct removal removal = {0};
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	removal.dev = st.st_dev;
	return remove_at(&removal, dirfd, name, 0);
}
