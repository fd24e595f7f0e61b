/* Promise: the table on the disk is the one that the plan printed. */
#include <fcntl.h>
#include <libfdisk/libfdisk.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/tests/test.h"
#include "installer/table.h"

static void check_partition(struct fdisk_context *cxt, const struct layout_part *want)
{
	struct fdisk_partition *pa = NULL;

	if (!CHECK_INT(fdisk_get_partition(cxt, want->number - 1, &pa), 0))
		return;
	CHECK_INT(fdisk_partition_get_start(pa) * 512, want->start);
	CHECK_INT(fdisk_partition_get_size(pa) * 512, want->size);
	CHECK_STR(fdisk_partition_get_name(pa), want->name);
	CHECK_STR(fdisk_parttype_get_string(fdisk_partition_get_type(pa)), want->type);
	fdisk_unref_partition(pa);
}

TEST(table_as_planned)
{
	_cleanup_free_ char *path = xasprintf("%s/disk", test_dir());
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_error_ struct error err = {0};
	const struct disk disk = {.name = "disk", .device = path, .size = LAYOUT_MINIMUM, .logical = 512,
				  .physical = 512};
	struct fdisk_context *cxt = fdisk_new_context();
	struct layout layout;

	CHECK(!ftruncate(fd, (off_t)disk.size));
	CHECK_INT(layout_make(a, &disk, DISK_WHOLE, true, &layout, &err), 0);
	/* Twice: the second time over what is there. */
	for (int i = 0; i < 2; i++)
		if (!CHECK_INT(table_write(path, &layout, &err), 0))
			CHECK_STR(err.cause, "");
	if (CHECK_INT(fdisk_assign_device(cxt, path, 1), 0)) {
		CHECK_INT(fdisk_verify_disklabel(cxt), 0);
		for (size_t i = 0; i < LAYOUT_PARTS; i++)
			check_partition(cxt, &layout.parts[i]);
	}
	fdisk_unref_context(cxt);
}

/* A disk with one partition of somebody else, 16 GiB. */
static void make_other(const char *path, const struct layout_part *other)
{
	struct fdisk_context *cxt = fdisk_new_context();
	struct fdisk_partition *pa = fdisk_new_partition();

	CHECK_INT(fdisk_assign_device(cxt, path, 0), 0);
	CHECK_INT(fdisk_create_disklabel(cxt, "gpt"), 0);
	fdisk_partition_set_partno(pa, other->number - 1);
	fdisk_partition_set_start(pa, other->start / 512);
	fdisk_partition_set_size(pa, other->size / 512);
	fdisk_partition_set_name(pa, other->name);
	CHECK_INT(fdisk_add_partition(cxt, pa, NULL), 0);
	CHECK_INT(fdisk_write_disklabel(cxt), 0);
	CHECK_INT(fdisk_deassign_device(cxt, 1), 0);
	fdisk_unref_partition(pa);
	fdisk_unref_context(cxt);
}

TEST(table_beside_others)
{
	_cleanup_free_ char *path = xasprintf("%s/disk", test_dir());
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_error_ struct error err = {0};
	struct layout_part other = {.number = 2, .start = 1 << 20, .size = 4ULL << 30, .name = "theirs",
				    .type = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"};
	struct partition has = {.number = other.number, .start = other.start, .size = other.size};
	const struct disk disk = {.name = "disk", .device = path, .size = 16ULL << 30, .logical = 512, .physical = 512,
				  .table = "gpt", .partitions = &has};
	struct fdisk_context *cxt = fdisk_new_context();
	struct layout layout;

	CHECK(!ftruncate(fd, (off_t)disk.size));
	make_other(path, &other);
	CHECK_INT(layout_make(a, &disk, DISK_BESIDE, true, &layout, &err), 0);
	CHECK_INT(layout_check(a, &disk, &layout, &err), 0);
	CHECK_INT(table_write(path, &layout, &err), 0);
	/* Once more: the numbers are taken now, and nothing is written over what has them. */
	CHECK_INT(table_write(path, &layout, &err), -EEXIST);
	CHECK_INT(table_check(path, &layout, &err), 0);
	if (CHECK_INT(fdisk_assign_device(cxt, path, 1), 0)) {
		CHECK_INT(fdisk_verify_disklabel(cxt), 0);
		check_partition(cxt, &other);
		for (size_t i = 0; i < LAYOUT_PARTS; i++)
			check_partition(cxt, &layout.parts[i]);
		fdisk_deassign_device(cxt, 1);
	}
	/* A try that was cut short is used again, and taken back as a whole. */
	layout.again = true;
	CHECK_INT(table_write(path, &layout, &err), 0);
	CHECK_INT(table_remove(path, &layout, &err), 0);
	CHECK_INT(table_check(path, &layout, &err), -ESTALE);
	if (CHECK_INT(fdisk_assign_device(cxt, path, 1), 0)) {
		check_partition(cxt, &other);
		CHECK(!fdisk_is_partition_used(cxt, layout.parts[LAYOUT_ROOT].number - 1));
	}
	fdisk_unref_context(cxt);
}

static void refused(struct arena *a, const struct disk *disk, const struct layout *layout, int code, const char *cause)
{
	_cleanup_error_ struct error err = {0};

	CHECK_INT(layout_check(a, disk, layout, &err), code);
	if (!CHECK(err.cause && strstr(err.cause, cause)))
		test_check_str(err.cause, cause, __FILE__, __LINE__, "cause");
}

TEST(layout_of_another_mind_is_refused)
{
	_cleanup_arena_ struct arena *a = arena_new();
	struct partition has = {.number = 1, .start = 1 << 20, .size = 4ULL << 30};
	const struct disk disk = {.name = "disk", .device = "/dev/disk", .size = 16ULL << 30, .table = "gpt",
				  .partitions = &has};
	struct layout good, bad;

	CHECK_INT(layout_make(a, &disk, DISK_BESIDE, true, &good, NULL), 0);
	bad = good;
	bad.parts[LAYOUT_ESP].start = has.start;
	refused(a, &disk, &bad, -EINVAL, "would overlap partition 1, which stays");
	bad = good;
	bad.parts[LAYOUT_ESP].number = 1;
	refused(a, &disk, &bad, -EINVAL, "would overlap partition 1, which stays");
	bad = good;
	bad.parts[LAYOUT_ESP].number = 0;
	refused(a, &disk, &bad, -EINVAL, "no partition number is left for BH-ESP");
	bad = good;
	bad.parts[LAYOUT_ESP].start = good.parts[LAYOUT_BOOT].start;
	refused(a, &disk, &bad, -EINVAL, "bh-boot and BH-ESP would overlap");
	bad = good;
	bad.parts[LAYOUT_BOOT].size /= 2;
	refused(a, &disk, &bad, -ENOSPC, "bh-boot would be too small");
	bad = good;
	bad.parts[LAYOUT_ROOT].size = disk.size;
	refused(a, &disk, &bad, -EINVAL, "bh-luks would not lie on the disk");
}
