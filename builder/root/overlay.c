#include "builder/root/overlay.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"

enum { LINK_LIMIT = 4096, DEPTH_MAX = 64 };

static int apply_folder(int from, int to, const struct timespec times[2], unsigned depth,
			struct error *err);

static int copy_file(int from, int to, const char *name, bool executable)
{
	_cleanup_close_ int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int out = -1;

	if (in < 0)
		return -errno;
	out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		     executable ? 0755 : 0644);
	if (out < 0)
		return -errno;
	return copy_fd(in, out) < 0 ? -EIO : 0;
}

static int copy_link(int from, int to, const char *name)
{
	char target[LINK_LIMIT];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	return symlinkat(target, to, name) < 0 ? -errno : 0;
}

static int apply_subfolder(int from, int to, const char *name, const struct timespec times[2],
			   unsigned depth, struct error *err)
{
	_cleanup_close_ int in =
		openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int out = -1;

	if (in < 0 || (mkdirat(to, name, 0755) < 0 && errno != EEXIST))
		return error_errno(err, -errno, name, "cannot make the folder");
	out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out < 0)
		return error_errno(err, -errno, name, "is no folder in the root");
	return apply_folder(in, out, times, depth + 1, err);
}

static int apply_entry(int from, int to, const char *name, const struct timespec times[2],
		       unsigned depth, struct error *err)
{
	struct stat st;
	int r;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, -errno, name, "cannot stat");
	if (S_ISDIR(st.st_mode))
		return apply_subfolder(from, to, name, times, depth, err);
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return error_set(err, -EINVAL, name, NULL,
				 "an overlay has files, folders and links only");
	if (unlinkat(to, name, 0) < 0 && errno != ENOENT)
		return error_errno(err, -errno, name, "cannot replace");
	r = S_ISLNK(st.st_mode) ? copy_link(from, to, name)
				: copy_file(from, to, name, st.st_mode & 0100);
	if (r == 0 && utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	return r < 0 ? error_errno(err, r, name, "cannot copy") : 0;
}

static int apply_folder(int from, int to, const struct timespec times[2], unsigned depth,
			struct error *err)
{
	_cleanup_closedir_ DIR *d = NULL;
	const struct dirent *e;
	int fd = depth > DEPTH_MAX ? -1 : openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return error_set(err, -EIO, "overlay", NULL, "cannot list a folder");
	while ((e = readdir(d))) {
		int r = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")
				? 0
				: apply_entry(from, to, e->d_name, times, depth, err);

		if (r < 0)
			return r;
	}
	return 0;
}

int overlay_apply(int from, int to, unsigned long long epoch, struct error *err)
{
	const struct timespec times[2] = {{(time_t)epoch, 0}, {(time_t)epoch, 0}};

	return apply_folder(from, to, times, 0, err);
}
