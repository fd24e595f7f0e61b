#include "builder/medium/device.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <systemd/sd-device.h>

#include "common/base/alloc.h"
#include "common/base/strbuf.h"
#include "common/base/strv.h"
#include "common/sys/file.h"
#include "common/sys/mounts.h"

enum { PARTS_MAX = 512, DEPTH_MAX = 8, SECTOR = 512 };

static void cleanup_sd_device(sd_device **d)
{
	sd_device_unref(*d);
}

/* The first that udev's database or sysfs has. */
static char *first_of(sd_device *d, const char *const *properties, const char *attribute)
{
	const char *value;

	for (; *properties; properties++)
		if (sd_device_get_property_value(d, *properties, &value) >= 0)
			return xstrdup(value);
	if (attribute && sd_device_get_sysattr_value(d, attribute, &value) >= 0)
		return blob_dup(blob_trim(blob_of(value)));
	return xstrdup("");
}

static bool attribute_is(sd_device *d, const char *attribute, const char *want)
{
	const char *value;

	return sd_device_get_sysattr_value(d, attribute, &value) >= 0 && !strcmp(value, want);
}

static int look(sd_device *sd, struct device *d, struct error *err)
{
	static const char *const model[] = {"ID_MODEL", NULL}, *const serial[] = {"ID_SERIAL_SHORT", NULL},
				 *const bus[] = {"ID_BUS", NULL};
	const char *type = "", *name = "", *size = "0";
	uint64_t sectors = 0;

	sd_device_get_devtype(sd, &type);
	sd_device_get_sysname(sd, &name);
	sd_device_get_sysattr_value(sd, "size", &size);
	if (strcmp(type, "disk") != 0)
		return error_set(err, -EINVAL, d->path, "name the whole disk", "is a %s", type);
	if (attribute_is(sd, "ro", "1"))
		return error_set(err, -EINVAL, d->path, "look for a switch on it", "cannot be written to");
	blob_to_u64(blob_of(size), UINT64_MAX / SECTOR, &sectors);
	d->name = xstrdup(name);
	d->size = sectors * SECTOR;
	d->removable = attribute_is(sd, "removable", "1");
	d->model = first_of(sd, model, "device/model");
	d->serial = first_of(sd, serial, "device/serial");
	d->bus = first_of(sd, bus, NULL);
	return 0;
}

int device_look(const char *path, struct device *d, struct error *err)
{
	_cleanup_(cleanup_sd_device) sd_device *sd = NULL;
	struct stat st;
	int r;

	*d = (struct device){.path = xstrdup(path)};
	if (stat(path, &st) < 0)
		return error_errno(err, -errno, path, "cannot look at it");
	if (!S_ISBLK(st.st_mode))
		return error_set(err, -ENOTBLK, path, "name a disk, as lsblk shows them", "is no block device");
	d->number = st.st_rdev;
	r = sd_device_new_from_devnum(&sd, 'b', st.st_rdev);
	return r < 0 ? error_errno(err, r, path, "the kernel does not know it") : look(sd, d, err);
}

void device_end(struct device *d)
{
	free(d->path);
	free(d->name);
	free(d->model);
	free(d->serial);
	free(d->bus);
	*d = (struct device){0};
}

/* The disk, its partitions, and what lies on them. */
struct family {
	dev_t numbers[PARTS_MAX];
	char *names[PARTS_MAX];
	bool above[PARTS_MAX]; /* another device, not a part of the disk */
	size_t n;
};

static void family_end(struct family *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->names[i]);
}

static int number_of(const char *folder, dev_t *number)
{
	_cleanup_free_ char *path = xasprintf("%s/dev", folder);
	_cleanup_strbuf_ struct strbuf text = {0};
	unsigned major, minor;

	if (read_file(AT_FDCWD, path, 64, &text) < 0 || sscanf(strbuf_blob(&text).p, "%u:%u", &major, &minor) != 2)
		return -ENOENT;
	*number = makedev(major, minor);
	return 0;
}

static int add_family(struct family *f, const char *folder, const char *name, bool above, unsigned depth);

static int add_members(struct family *f, const char *folder, bool above, unsigned depth)
{
	_cleanup_closedir_ DIR *d = opendir(folder);
	int r = 0;

	for (const struct dirent *e; d && r == 0 && (e = readdir(d));) {
		_cleanup_free_ char *path = xasprintf("%s/%s", folder, e->d_name),
				    *partition = xasprintf("%s/partition", path);

		if (e->d_name[0] != '.' && (above || !faccessat(AT_FDCWD, partition, F_OK, 0)))
			r = add_family(f, path, e->d_name, above, depth);
	}
	return r;
}

static int add_family(struct family *f, const char *folder, const char *name, bool above, unsigned depth)
{
	_cleanup_free_ char *holders = xasprintf("%s/holders", folder);
	dev_t number;
	int r;

	if (number_of(folder, &number) < 0)
		return 0;
	if (f->n == PARTS_MAX || depth > DEPTH_MAX)
		return -E2BIG;
	f->numbers[f->n] = number;
	f->above[f->n] = above;
	f->names[f->n++] = xstrdup(name);
	r = add_members(f, folder, false, depth + 1);
	return r < 0 ? r : add_members(f, holders, true, depth + 1);
}

static const char *member(const struct family *f, dev_t number)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->numbers[i] == number)
			return f->names[i];
	return NULL;
}

static const char *member_of_path(const struct family *f, const char *path)
{
	struct stat st;

	return *path == '/' && stat(path, &st) == 0 && S_ISBLK(st.st_mode) ? member(f, st.st_rdev) : NULL;
}

/* By the number of its device, or (Btrfs has none of its own) by the source's. */
static const char *mounted_member(const struct family *f, const struct mount_entry *m)
{
	_cleanup_free_ char *source = mounts_unescape(m->source), *number = blob_dup(m->number);
	unsigned major, minor;
	const char *name = sscanf(number, "%u:%u", &major, &minor) == 2 ? member(f, makedev(major, minor)) : NULL;

	return name ? name : member_of_path(f, source);
}

static int check_mounts(const struct device *d, const struct family *f, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct mount_entry m;
	struct blob rest;
	int r = mounts_read("/proc", &text);

	if (r < 0)
		return error_errno(err, r, "/proc/self/mountinfo", "cannot read");
	rest = strbuf_blob(&text);
	while (mounts_next(&rest, &m)) {
		_cleanup_free_ char *where = mounts_unescape(m.point);
		const char *name = mounted_member(f, &m);

		if (name && (!strcmp(where, "/") || !strcmp(where, "/boot") || !strcmp(where, "/usr")))
			return error_set(err, -EBUSY, d->path, "name another disk",
					 "the running system is on it (%s is mounted at %s)", name, where);
		if (name)
			return error_set(err, -EBUSY, d->path, "unmount it, if it is the right one",
					 "is in use: %s is mounted at %s", name, where);
	}
	return 0;
}

static int check_swaps(const struct device *d, const struct family *f, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct blob rest, swap;

	if (swaps_read("/proc", &text) < 0)
		return 0;
	rest = strbuf_blob(&text);
	while (swaps_next(&rest, &swap)) {
		_cleanup_free_ char *path = mounts_unescape(swap);
		const char *name = member_of_path(f, path);

		if (name)
			return error_set(err, -EBUSY, d->path, "swapoff it, if it is the right one",
					 "is in use: the system swaps to %s", name);
	}
	return 0;
}

int device_check_unused(const struct device *d, struct error *err)
{
	_cleanup_(family_end) struct family f = {.n = 0};
	_cleanup_free_ char *folder = xasprintf("/sys/dev/block/%u:%u", major(d->number), minor(d->number));
	int r = add_family(&f, folder, d->name, false, 0);

	if (r < 0)
		return error_errno(err, r, d->path, "cannot find out what it is used for");
	r = check_mounts(d, &f, err);
	if (r == 0)
		r = check_swaps(d, &f, err);
	for (size_t i = 0; r == 0 && i < f.n; i++)
		if (f.above[i])
			r = error_set(err, -EBUSY, d->path, "close that first, if it is the right disk",
				      "is in use by %s", f.names[i]);
	return r;
}
