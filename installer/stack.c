#include "installer/stack.h"

#include <fcntl.h>
#include <libcryptsetup.h>
#include <limits.h>
#include <string.h>
#include <sys/swap.h>

#include "common/base/alloc.h"
#include "common/base/strv.h"
#include "common/sys/file.h"
#include "common/sys/mounts.h"
#include "common/sys/process.h"

/* Depth: a logical volume on LUKS on MD is three. */
enum { DEPTH_MAX = 16 };

static char *sys_line(const char *device, const char *file)
{
	_cleanup_free_ char *path = xasprintf("/sys/class/block/%s/%s", device, file);
	_cleanup_strbuf_ struct strbuf text = {0};

	if (read_file(AT_FDCWD, path, PATH_MAX, &text) < 0)
		return NULL;
	return blob_dup(blob_trim(strbuf_blob(&text)));
}

static int check_mounts(const char *device, const char *node, struct error *err)
{
	_cleanup_free_ char *number = sys_line(device, "dev");
	_cleanup_strbuf_ struct strbuf text = {0};
	struct mount_entry m;
	struct blob rest;
	int r = mounts_read("/proc", &text);

	if (r < 0)
		return error_errno(err, r, "/proc/self/mountinfo", "cannot read");
	rest = strbuf_blob(&text);
	while (mounts_next(&rest, &m))
		if ((number && blob_eq_str(m.number, number)) || blob_eq_str(m.source, node))
			return error_set(err, -EBUSY, node, "unmount it; nothing was written", "mounted on %.*s",
					 BLOB_ARG(m.point));
	return 0;
}

static int end_swap(const char *node, struct error *err)
{
	_cleanup_free_ char *own = realpath(node, NULL);
	_cleanup_strbuf_ struct strbuf text = {0};
	struct blob rest, device;

	if (swaps_read("/proc", &text) < 0)
		return 0;
	rest = strbuf_blob(&text);
	while (swaps_next(&rest, &device)) {
		_cleanup_free_ char *path = blob_dup(device);
		_cleanup_free_ char *real = realpath(path, NULL);

		if (real && own && !strcmp(real, own) && swapoff(path))
			return error_errno(err, -errno, path, "cannot stop swapping to it");
	}
	return 0;
}

static int close_mapping(const char *device, struct error *err)
{
	_cleanup_free_ char *name = sys_line(device, "dm/name");
	const char *const remove[] = {"dmsetup", "remove", "--retry", name, NULL};

	/* What is no LUKS mapping (LVM) goes the plain way. */
	if (!name || !crypt_deactivate(NULL, name))
		return 0;
	return process_check(remove, err);
}

static int stop_array(const char *device, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("/sys/class/block/%s/md/array_state", device);
	int r = write_file(AT_FDCWD, path, "clear", 5, 0600);

	return r < 0 ? error_errno(err, r, device, "cannot stop the array") : 0;
}

static int release_device(const char *device, unsigned depth, struct error *err);

static int release_holders(const char *device, unsigned depth, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("/sys/class/block/%s/holders", device);
	_cleanup_closedir_ DIR *dir = opendir(path);
	_cleanup_strv_ struct strv names = {0};
	struct dirent *e;
	int r = 0;

	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			strv_push(&names, e->d_name);
	for (size_t i = 0; r == 0 && i < names.n; i++)
		r = release_device(names.v[i], depth + 1, err);
	return r;
}

static int release_device(const char *device, unsigned depth, struct error *err)
{
	_cleanup_free_ char *mapping = sys_line(device, "dm/name");
	_cleanup_free_ char *node = mapping ? xasprintf("/dev/mapper/%s", mapping) : xasprintf("/dev/%s", device);
	int r;

	if (depth > DEPTH_MAX)
		return error_set(err, -ELOOP, node, NULL, "stands on too many others");
	if ((r = check_mounts(device, node, err)) < 0 || (r = release_holders(device, depth, err)) < 0 ||
	    (r = end_swap(node, err)) < 0 || !depth)
		return r;
	if (!strncmp(device, "dm-", 3))
		return close_mapping(device, err);
	return strncmp(device, "md", 2) ? 0 : stop_array(device, err);
}

int stack_release(const struct disk *disk, struct error *err)
{
	int r = release_device(disk->name, 0, err);

	for (const struct partition *p = disk->partitions; r == 0 && p; p = p->next) {
		_cleanup_free_ char *device = disk_partition_device(disk->name, p->number);

		r = release_device(device, 0, err);
	}
	return r;
}
