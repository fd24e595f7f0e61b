/* What happens to the image files; see storage.h. Runs in a child, so it may block. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "runtime/qubesd/storage.h"

enum { COPY_CHUNK = 1 << 20 };

/* Copies only where there is data, so a sparse 10 GiB root stays as small as it was. */
static int copy_sparse(int from, int to, off_t size)
{
	_cleanup_free_ char *buf = xmalloc(COPY_CHUNK);
	off_t at = 0;

	while (at < size) {
		off_t data = lseek(from, at, SEEK_DATA);
		off_t hole = data < 0 ? -1 : lseek(from, data, SEEK_HOLE);

		if (data < 0 && errno == ENXIO)
			break;
		if (data < 0 || hole < 0)
			return -errno;
		for (at = data; at < hole;) {
			size_t want = hole - at < COPY_CHUNK ? (size_t)(hole - at) : COPY_CHUNK;
			ssize_t n = pread(from, buf, want, at);

			if (n <= 0)
				return n < 0 ? -errno : -EIO;
			for (ssize_t done = 0; done < n;) {
				ssize_t w = pwrite(to, buf + done, (size_t)(n - done), at + done);

				if (w < 0)
					return -errno;
				done += w;
			}
			at += n;
		}
	}
	return ftruncate(to, size) < 0 ? -errno : 0;
}

/* `to` appears whole or not at all. */
static int clone_file(const char *from, const char *to, struct error *err)
{
	_cleanup_free_ char *tmp = xasprintf("%s.new", to);
	_cleanup_close_ int src = open(from, O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int dst = -1;
	struct stat st;
	int r = 0;

	if (src < 0 || fstat(src, &st) < 0)
		return error_errno(err, -errno, from, "cannot open");
	unlink(tmp);
	dst = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
	if (dst < 0)
		return error_errno(err, -errno, tmp, "cannot create");
	if (ioctl(dst, FICLONE, src) < 0) {
		if (errno != EOPNOTSUPP && errno != EXDEV && errno != ENOTTY && errno != EINVAL)
			r = -errno;
		else
			r = copy_sparse(src, dst, st.st_size);
		if (r == 0)
			fprintf(stderr, "qubesd: %s: copied, the file system cannot clone\n", to);
	}
	if (r == 0 && rename(tmp, to) < 0)
		r = -errno;
	if (r == 0)
		return 0;
	unlink(tmp);
	return error_errno(err, r, to, "cannot make");
}

static int make_sparse(const char *path, uint64_t size, struct error *err)
{
	_cleanup_free_ char *tmp = xasprintf("%s.new", path);
	_cleanup_close_ int fd = -1;
	int r = 0;

	unlink(tmp);
	fd = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
	if (fd < 0 || ftruncate(fd, (off_t)size) < 0 || rename(tmp, path) < 0)
		r = -errno;
	return r < 0 ? error_errno(err, r, path, "cannot make") : 0;
}

/* Nothing that an earlier qube of the same name wrote may turn up in a new one. */
static int clear(const struct storage *s, bool keep_root, struct error *err)
{
	if (!keep_root)
		return storage_remove(s, err);
	for (size_t i = 0; i < s->n; i++) {
		const struct storage_volume *v = &s->volumes[i];

		if (!v->clean)
			continue;
		unlink(v->dirty);
		if (strcmp(v->name, "root") != 0)
			unlink(v->clean);
	}
	return 0;
}

int storage_create(const struct storage *s, bool keep_root, struct error *err)
{
	int r = clear(s, keep_root, err);

	if (r < 0)
		return r;
	r = mkdir_p(AT_FDCWD, s->dir, 0770);
	if (r < 0)
		return error_errno(err, r, s->dir, "cannot make");
	for (size_t i = 0; i < s->n && r == 0; i++) {
		const struct storage_volume *v = &s->volumes[i];

		if (v->clean && v->save_on_stop && access(v->clean, F_OK) < 0)
			r = make_sparse(v->clean, v->size, err);
	}
	return r;
}

int storage_retire(struct storage *s, struct arena *a, struct error *err)
{
	const char *slash = strrchr(s->dir, '/');
	const char *to = arena_printf(a, "%.*s/" STORAGE_RETIRED "%s.%d", (int)(slash - s->dir),
				      s->dir, slash + 1, (int)getpid());
	int r = remove_tree(AT_FDCWD, to);

	if (r == 0 && rename(s->dir, to) < 0 && errno != ENOENT)
		r = -errno;
	s->dir = to;
	return r < 0 ? error_errno(err, r, s->dir, "cannot remove") : 0;
}

static int start_volume(const struct storage_volume *v, struct error *err)
{
	if (!v->clean)
		return v->device && access(v->image, R_OK) < 0
			       ? error_errno(err, -errno, v->image, "cannot open")
			       : 0;
	if (v->save_on_stop) {
		/* Left by a crash: it holds what the qube wrote last. */
		if (access(v->dirty, F_OK) == 0)
			return 0;
		return clone_file(v->clean, v->dirty, err);
	}
	if (v->snap_on_start)
		return clone_file(v->source, v->dirty, err);
	return make_sparse(v->dirty, v->size, err);
}

int storage_start(const struct storage *s, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < s->n && r == 0; i++)
		r = start_volume(&s->volumes[i], err);
	return r;
}

/* The dirty image becomes the committed one; the old one is there until the rename. */
static int commit(const struct storage_volume *v, struct error *err)
{
	_cleanup_close_ int fd = open(v->dirty, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, -errno, v->dirty, "cannot open");
	if (fsync(fd) < 0 || rename(v->dirty, v->clean) < 0)
		return error_errno(err, -errno, v->dirty, "cannot commit");
	return 0;
}

int storage_stop(const struct storage *s, struct error *err)
{
	int result = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct storage_volume *v = &s->volumes[i];
		int r = 0;

		if (!v->clean)
			continue;
		if (v->save_on_stop)
			r = commit(v, result == 0 ? err : NULL);
		else if (unlink(v->dirty) < 0 && errno != ENOENT)
			r = error_errno(result == 0 ? err : NULL, -errno, v->dirty,
					"cannot remove");
		result = result < 0 ? result : r;
	}
	return result;
}

int storage_remove(const struct storage *s, struct error *err)
{
	int r = remove_tree(AT_FDCWD, s->dir);

	return r < 0 ? error_errno(err, r, s->dir, "cannot remove") : 0;
}

int storage_sweep(const char *dir, struct error *err)
{
	static const char *const kinds[] = {"appvms", "vm-templates"};
	int result = 0;

	for (size_t i = 0; i < 2; i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", dir, kinds[i]);
		_cleanup_closedir_ DIR *d = opendir(path);
		const struct dirent *e;

		while (d && (e = readdir(d))) {
			int r;

			if (strncmp(e->d_name, STORAGE_RETIRED, strlen(STORAGE_RETIRED)) != 0)
				continue;
			r = remove_tree(dirfd(d), e->d_name);
			if (r < 0)
				result = error_errno(err, r, e->d_name, "cannot remove");
		}
	}
	return result;
}
