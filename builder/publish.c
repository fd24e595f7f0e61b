#include "builder/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/root/root.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"

/* Beside each artefact, where it came from: ".NAME.key" holds its key and, of a file, what would tell of a change. */
static char *stamp_path(const char *folder, const char *as)
{
	return xasprintf("%s/.%s.key", folder, as);
}

/* What the stamp of the file, as it is now, has to say. NULL: it is not there. */
static char *stamp_of_file(const char *path, const struct step *s, const char *name)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return NULL;
	return xasprintf("%s %s %lld %lld.%09ld\n", s->key, name, (long long)st.st_size, (long long)st.st_mtim.tv_sec,
			 st.st_mtim.tv_nsec);
}

static bool says(const char *stamp, const char *want)
{
	_cleanup_strbuf_ struct strbuf text = {0};

	return read_file(AT_FDCWD, stamp, 4096, &text) == 0 && blob_eq_str(strbuf_blob(&text), want);
}

static int copy_range(int from, int to, off_t at, off_t end)
{
	while (at < end) {
		off_t in = at, out = at;
		ssize_t n = copy_file_range(from, &in, to, &out, (size_t)(end - at), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		at += n;
	}
	return 0;
}

static int copy_sparse(int from, int to, off_t size)
{
	off_t at = 0;

	if (ioctl(to, FICLONE, from) == 0)
		return 0;
	if (ftruncate(to, size) < 0)
		return -errno;
	while (at < size) {
		off_t data = lseek(from, at, SEEK_DATA), hole;
		int r;

		if (data < 0)
			return errno == ENXIO ? 0 : -errno;
		hole = lseek(from, data, SEEK_HOLE);
		r = copy_range(from, to, data, hole < 0 ? size : hole);
		if (r < 0)
			return r;
		at = hole < 0 ? size : hole;
	}
	return 0;
}

static int replace_copy(const char *source, const char *path)
{
	_cleanup_free_ char *tmp = xasprintf("%s.tmp", path);
	_cleanup_close_ int from = open(source, O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int to = -1;
	struct stat st;
	int r;

	if (from < 0 || fstat(from, &st) < 0)
		return -errno;
	to = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, st.st_mode & 0777);
	if (to < 0)
		return -errno;
	r = copy_sparse(from, to, st.st_size);
	/* The stamp may outlast a power cut: so must what it vouches for. */
	if (r == 0 && fsync(to) < 0)
		r = -errno;
	if (r == 0 && rename(tmp, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(tmp);
	return r;
}

/* Two builds into one OUT: each file and its stamp are of the same one. The lock, or -errno. */
static int lock_folder(const char *folder)
{
	_cleanup_close_ int fd = -1;
	int r = mkdir_p(AT_FDCWD, folder, 0755);

	if (r < 0)
		return r;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (fd >= 0 && flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return -errno;
	return fd < 0 ? -errno : take_fd(&fd);
}

static int publish_to(const struct graph *g, const struct step *s, const char *name,
		      const char *folder, const char *as, struct error *err)
{
	_cleanup_free_ char *source = step_result(g, s, name),
			    *path = xasprintf("%s/%s", folder, as);
	_cleanup_close_ int lock = lock_folder(folder);
	_cleanup_free_ char *stamp = stamp_path(folder, as);
	_cleanup_free_ char *is = stamp_of_file(path, s, name);
	int r;

	if (lock < 0)
		return error_errno(err, lock, folder, "cannot lock");
	if (is && says(stamp, is))
		return 0;
	r = replace_copy(source, path);
	if (r < 0)
		return error_errno(err, r, path, "cannot write the result");
	free(is);
	is = stamp_of_file(path, s, name);
	r = is ? write_file(AT_FDCWD, stamp, is, strlen(is), 0644) : -errno;
	return r < 0 ? error_errno(err, r, path, "cannot write the result") : 0;
}

int publish_file(const struct graph *g, const struct step *s, const char *name, const char *as,
		 struct error *err)
{
	_cleanup_free_ char *folder =
		xasprintf("%s/%s", g->options->out, s->image->definition->name);

	return publish_to(g, s, name, folder, as, err);
}

char *publish_medium_name(const struct graph *g, const char *name)
{
	size_t n = strlen(name), stem = n > 4 && !strcmp(name + n - 4, ".iso") ? n - 4 : n;

	return xasprintf("%.*s-%s.iso", (int)stem, name, g->options->version);
}

int publish_medium(const struct graph *g, const struct step *s, const char *name, struct error *err)
{
	_cleanup_free_ char *as = publish_medium_name(g, name);

	return publish_to(g, s, name, g->options->out, as, err);
}

static int sync_folder(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || syncfs(fd) < 0 ? -errno : 0;
}

int publish_folder(const struct graph *g, const struct step *s, const char *as, struct error *err)
{
	_cleanup_free_ char *folder =
		xasprintf("%s/%s", g->options->out, s->image->definition->name);
	_cleanup_close_ int lock = lock_folder(folder);
	_cleanup_free_ char *tar = step_result(g, s->image->root, "root.tar"),
			    *path = xasprintf("%s/%s", folder, as);
	_cleanup_free_ char *tmp = xasprintf("%s/.%s.tmp", folder, as),
			    *made = xasprintf("%s/root", tmp);
	_cleanup_free_ char *stamp = stamp_path(folder, as), *want = xasprintf("%s\n", s->key);
	int r;

	if (lock < 0)
		return error_errno(err, lock, folder, "cannot lock");
	if (!access(path, F_OK) && says(stamp, want))
		return 0;
	if ((r = remove_tree(AT_FDCWD, tmp)) < 0 || (r = mkdir_p(AT_FDCWD, tmp, 0755)) < 0)
		return error_errno(err, r, tmp, "cannot prepare");
	r = root_unpack(tar, tmp, err);
	if (r < 0)
		return r;
	if ((r = sync_folder(tmp)) < 0)
		return error_errno(err, r, tmp, "cannot bring it to the disk");
	if ((r = remove_tree(AT_FDCWD, path)) < 0)
		return error_errno(err, r, path, "cannot replace");
	if (rename(made, path) < 0)
		return error_errno(err, -errno, path, "cannot put it there");
	remove_tree(AT_FDCWD, tmp);
	r = write_file(AT_FDCWD, stamp, want, strlen(want), 0644);
	return r < 0 ? error_errno(err, r, stamp, "cannot write") : 0;
}
