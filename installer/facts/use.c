#include "installer/facts/source.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/mounts.h"

/* Is "major:minor" this disk or one of its partitions? Returns the kernel's name of it, allocated, or NULL. */
static char *use_device(int sys_block, const struct disk *disk, struct blob number)
{
	_cleanup_free_ char *whole = xasprintf("%s/dev", disk->name);
	_cleanup_arena_ struct arena *a = arena_new();
	const char *text = facts_line(a, sys_block, whole);

	if (text && blob_eq_str(number, text))
		return xstrdup(disk->name);
	for (const struct partition *p = disk->partitions; p; p = p->next) {
		_cleanup_free_ char *device = disk_partition_device(disk->name, p->number);
		_cleanup_free_ char *path = xasprintf("%s/%s/dev", disk->name, device);

		text = facts_line(a, sys_block, path);
		if (text && blob_eq_str(number, text))
			return take_ptr(device);
	}
	return NULL;
}

/* The disk itself or a partition of it; sdaa2 is none of sda, and nvme0n12 none of nvme0n1. */
static bool is_of_disk(struct blob device, const struct disk *disk)
{
	size_t n = strlen(disk->device);
	const char *p = device.p + n, *end = device.p + device.n;

	if (!blob_has_prefix(device, disk->device))
		return false;
	if (p < end && disk->device[n - 1] >= '0' && disk->device[n - 1] <= '9' && *p++ != 'p')
		return false;
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p == end;
}

/* "/dev/sda2": "sda2". */
static struct blob path_base(struct blob path)
{
	const char *slash = memrchr(path.p, '/', path.n);

	return slash ? (struct blob){slash + 1, (size_t)(path.p + path.n - slash) - 1} : path;
}

static void use_mount(const struct facts_source *from, struct facts *facts, int sys_block, const struct mount_entry *m)
{
	for (struct disk *d = facts->disks; d; d = d->next) {
		_cleanup_free_ char *device = use_device(sys_block, d, m->number);

		/* Btrfs has a number of its own. */
		if (!device && is_of_disk(m->source, d))
			device = blob_dup(path_base(m->source));
		if (!device)
			continue;
		if (from->medium && blob_eq_str(m->point, from->medium))
			d->medium = true;
		if (!d->in_use)
			d->in_use = arena_printf(facts->arena, "%s is mounted on %s", device,
						 facts_clean(facts->arena, m->point));
	}
}

static void use_mounts(const struct facts_source *from, struct facts *facts, int sys_block)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct mount_entry m;
	struct blob rest;

	if (mounts_read(from->proc, &text) < 0)
		return;
	rest = strbuf_blob(&text);
	while (mounts_next(&rest, &m))
		use_mount(from, facts, sys_block, &m);
}

static void use_swaps(const struct facts_source *from, struct facts *facts)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct blob rest, device;

	if (swaps_read(from->proc, &text) < 0)
		return;
	rest = strbuf_blob(&text);
	while (swaps_next(&rest, &device))
		for (struct disk *d = facts->disks; d; d = d->next)
			if (is_of_disk(device, d) && !d->in_use)
				d->in_use = arena_printf(facts->arena, "%s is used as swap",
							 facts_clean(facts->arena, device));
}

/* dm and md list themselves in the holders folder of what they stand on. */
static void use_holders(struct facts *facts, struct disk *disk, int sys_block, const char *device, const char *folder)
{
	_cleanup_free_ char *path = xasprintf("%s/holders", folder);
	_cleanup_closedir_ DIR *dir = fdopendir(openat(sys_block, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *e;

	while (dir && !disk->in_use && (e = readdir(dir))) {
		_cleanup_free_ char *file = xasprintf("%s/dm/name", e->d_name);
		const char *name = e->d_name[0] == '.' ? NULL : facts_line(facts->arena, dirfd(dir), file);

		if (e->d_name[0] != '.')
			disk->in_use = arena_printf(facts->arena, "%s is held by %s", device, name ? name : e->d_name);
	}
}

void facts_use(const struct facts_source *from, struct facts *facts)
{
	_cleanup_free_ char *block = xasprintf("%s/block", from->sys);
	_cleanup_close_ int sys_block = open(block, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	use_mounts(from, facts, sys_block);
	use_swaps(from, facts);
	for (struct disk *d = facts->disks; d; d = d->next) {
		use_holders(facts, d, sys_block, d->name, d->name);
		for (struct partition *p = d->partitions; p; p = p->next) {
			_cleanup_free_ char *device = disk_partition_device(d->name, p->number);
			_cleanup_free_ char *folder = xasprintf("%s/%s", d->name, device);

			use_holders(facts, d, sys_block, device, folder);
		}
		/* Before it is mounted, and when the whole of it was copied to RAM, the label is what tells. */
		if (d->label && !strcmp(d->label, "BULKHEAD"))
			d->medium = true;
	}
}
