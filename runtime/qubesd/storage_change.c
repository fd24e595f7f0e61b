/* Giving a volume other data or another size; see storage.h. Runs in a child. */
#include <fcntl.h>
#include <limits.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "runtime/qubesd/image.h"
#include "runtime/qubesd/revision.h"
#include "runtime/qubesd/storage.h"

/* What v->import holds becomes the volume; on failure it goes. */
static int take_import(const struct storage_volume *v, int r, struct error *err)
{
	if (r == 0)
		r = revision_replace(v, v->import, err);
	if (r < 0)
		unlink(v->import);
	return r;
}

int storage_copy(const struct storage_volume *v, const char *from, struct error *err)
{
	return take_import(v, image_clone(from, v->import, err), err);
}

int storage_revert(const struct storage_volume *v, const char *revision, struct error *err)
{
	_cleanup_free_ char *path = revision_path(v, revision);

	if (!path || access(path, F_OK) < 0)
		return error_set(err, -ENOENT, v->name, NULL, "there is no revision %s", revision);
	return storage_copy(v, path, err);
}

int storage_clear(const struct storage_volume *v, struct error *err)
{
	return take_import(v, image_sparse(v->import, v->size, err), err);
}

int storage_import_begin(const struct storage_volume *v, struct error *err)
{
	return image_sparse(v->import, v->size, err);
}

int storage_import_end(const struct storage_volume *v, bool ok, struct error *err)
{
	if (ok)
		return take_import(v, 0, err);
	unlink(v->import);
	return 0;
}

/* The loop devices over the file take its new size; their users see it at their next request. */
static int resize_loops(const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir("/sys/block");
	_cleanup_free_ char *real = realpath(path, NULL);
	const struct dirent *e;
	int r = 0;

	while (dir && real && (e = readdir(dir))) {
		_cleanup_free_ char *attr =
			xasprintf("/sys/block/%s/loop/backing_file", e->d_name);
		_cleanup_strbuf_ struct strbuf file = {0};
		_cleanup_free_ char *device = xasprintf("/dev/%s", e->d_name);
		_cleanup_close_ int fd = -1;

		if (strncmp(e->d_name, "loop", 4) != 0 ||
		    read_file(AT_FDCWD, attr, PATH_MAX + 16, &file) < 0 ||
		    !blob_eq_str(blob_trim(strbuf_blob(&file)), real))
			continue;
		fd = open(device, O_RDWR | O_CLOEXEC);
		if (fd < 0 || ioctl(fd, LOOP_SET_CAPACITY, 0) < 0)
			r = -errno;
	}
	return r;
}

static int resize_file(const char *path, uint64_t size, struct error *err)
{
	struct stat st;
	int r = 0;

	if (stat(path, &st) < 0)
		r = errno == ENOENT ? 0 : -errno;
	else if ((uint64_t)st.st_size < size && truncate(path, (off_t)size) < 0)
		r = -errno;
	return r < 0 ? error_errno(err, r, path, "cannot grow") : 0;
}

int storage_resize(const struct storage_volume *v, struct error *err)
{
	int r = v->save_on_stop ? resize_file(v->clean, v->size, err) : 0;

	if (r == 0)
		r = resize_file(v->dirty, v->size, err);
	if (r < 0)
		return r;
	r = resize_loops(v->dirty);
	return r < 0 ? error_errno(err, r, v->dirty, "its loop device does not grow") : 0;
}
