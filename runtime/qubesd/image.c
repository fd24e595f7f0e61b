#include "runtime/qubesd/image.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "common/base/alloc.h"

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

int image_clone(const char *from, const char *to, struct error *err)
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
		/* After a loss of power its name must not stand for less: unlike a clone, data follows later than the name. */
		if (r == 0 && fsync(dst) < 0)
			r = -errno;
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

int image_sync(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int image_sparse(const char *path, uint64_t size, struct error *err)
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

bool image_can_clone(const char *dir)
{
	_cleanup_close_ int from = open(dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	_cleanup_close_ int to = open(dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

	return from >= 0 && to >= 0 && write(from, "x", 1) == 1 && ioctl(to, FICLONE, from) == 0;
}
