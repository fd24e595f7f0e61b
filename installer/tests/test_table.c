/* Promise: the table on the disk is the one that the plan printed. */
#include <fcntl.h>
#include <libfdisk/libfdisk.h>

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
	CHECK_INT(layout_make(a, &disk, &layout, &err), 0);
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
