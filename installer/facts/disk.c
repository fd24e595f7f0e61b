#include "installer/facts/source.h"

#include <fcntl.h>
#include <limits.h>

#include "common/base/alloc.h"
#include "common/base/strv.h"
#include "common/sys/file.h"

/* sysfs counts in units of 512 bytes whatever the disk's sectors are. */
enum { SYSFS_UNIT = 512 };

static bool disk_is_target_kind(const char *name)
{
	/* Made by the kernel, optical, or stacked on what is listed anyway. */
	static const char *const skipped[] = {"loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd", NULL};

	for (const char *const *s = skipped; *s; s++)
		if (!strncmp(name, *s, strlen(*s)))
			return false;
	return true;
}

/* Where the disk hangs shows in the real path of its sysfs folder. */
static const char *disk_transport(int sys_block, const char *name)
{
	static const struct {
		const char *part, *transport;
	} known[] = {{"/usb", "usb"}, {"/nvme", "nvme"}, {"/ata", "ata"}, {"/virtio", "virtio"},
		     {"/mmc", "mmc"}, {"/vbd-", "xen"}, {"/host", "scsi"}};
	char target[PATH_MAX];
	ssize_t n = readlinkat(sys_block, name, target, sizeof(target) - 1);

	if (n > 0) {
		target[n] = '\0';
		for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
			if (strstr(target, known[i].part))
				return known[i].transport;
	}
	return "other";
}

static void disk_partitions(struct facts *facts, struct disk *disk, int fd)
{
	_cleanup_closedir_ DIR *dir = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		_cleanup_free_ char *number = xasprintf("%s/partition", e->d_name);
		_cleanup_free_ char *start = xasprintf("%s/start", e->d_name);
		_cleanup_free_ char *size = xasprintf("%s/size", e->d_name);
		struct partition *p, **at = &disk->partitions;
		uint64_t n = e->d_name[0] == '.' ? 0 : facts_number(fd, number, 0);

		if (!n || n > UINT32_MAX)
			continue;
		p = arena_alloc(facts->arena, sizeof(*p));
		p->number = (unsigned)n;
		p->start = facts_number(fd, start, 0) * SYSFS_UNIT;
		p->size = facts_number(fd, size, 0) * SYSFS_UNIT;
		while (*at && (*at)->number < p->number)
			at = &(*at)->next;
		p->next = *at;
		*at = p;
	}
}

static void disk_add(const struct facts_source *from, struct facts *facts, int sys_block, const char *name)
{
	_cleanup_close_ int fd = openat(sys_block, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct arena *a = facts->arena;
	struct disk *disk, **at = &facts->disks;
	uint64_t size = fd < 0 ? 0 : facts_number(fd, "size", 0) * SYSFS_UNIT;

	/* A card reader without a card; one of several paths to an NVMe disk that is listed under its own name. */
	if (!size || facts_number(fd, "hidden", 0) == 1)
		return;
	disk = arena_alloc(a, sizeof(*disk));
	disk->name = arena_strdup(a, name);
	/* sysfs writes '!' where the device name has '/' ("cciss!c0d0"). */
	disk->device = arena_printf(a, "%s/%s", from->dev, name);
	for (char *c = strchr(disk->device, '!'); c; c = strchr(c, '!'))
		*c = '/';
	disk->size = size;
	disk->model = facts_line(a, fd, "device/model");
	disk->serial = facts_serial(a, fd);
	disk->id = facts_line(a, fd, "wwid");
	if (!disk->id)
		disk->id = facts_line(a, fd, "device/wwid");
	disk->transport = disk_transport(sys_block, name);
	disk->logical = (uint32_t)facts_number(fd, "queue/logical_block_size", 512);
	disk->physical = (uint32_t)facts_number(fd, "queue/physical_block_size", 512);
	disk->removable = facts_number(fd, "removable", 0) == 1;
	disk->read_only = facts_number(fd, "ro", 0) == 1;
	disk_partitions(facts, disk, fd);
	while (*at && strcmp((*at)->name, name) < 0)
		at = &(*at)->next;
	disk->next = *at;
	*at = disk;
}

int facts_disks(const struct facts_source *from, struct facts *facts, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("%s/block", from->sys);
	_cleanup_closedir_ DIR *dir = opendir(path);
	struct dirent *e;

	if (!dir)
		return error_errno(err, -errno, path, "cannot list disks");
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.' && disk_is_target_kind(e->d_name))
			disk_add(from, facts, dirfd(dir), e->d_name);
	return 0;
}
