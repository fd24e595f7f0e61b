/* Promise: the kernel's lists give number, point and source of each entry, whatever optional fields are between them. */
#include "common/tests/test.h"
#include "common/sys/mounts.h"

TEST(mounts_and_swaps)
{
	struct blob mounts = BLOB("30 1 0:25 /@ / rw,noatime shared:1 master:2 - btrfs /dev/mapper/luks rw\n"
				  "31 30 8:1 / /boot rw - ext4 /dev/sda1 rw\n"
				  "broken line\n"
				  "32 30 0:4 / /proc rw -\n");
	struct blob swaps = BLOB("Filename\t\t\t\tType\t\tSize\n/dev/sda3                               partition\t1\n");
	struct mount_entry m;
	struct blob device;

	CHECK(mounts_next(&mounts, &m) && blob_eq_str(m.number, "0:25") && blob_eq_str(m.point, "/") &&
	      blob_eq_str(m.source, "/dev/mapper/luks"));
	CHECK(mounts_next(&mounts, &m) && blob_eq_str(m.number, "8:1") && blob_eq_str(m.source, "/dev/sda1"));
	CHECK(mounts_next(&mounts, &m) && blob_eq_str(m.point, "/proc") && !m.source.n);
	CHECK(!mounts_next(&mounts, &m));
	CHECK(swaps_next(&swaps, &device) && blob_eq_str(device, "/dev/sda3"));
	CHECK(!swaps_next(&swaps, &device));
}

TEST(mounts_names_with_blanks)
{
	static const char *const cases[][2] = {
		{"/media/my\\040disk", "/media/my disk"}, {"\\134", "\\"}, {"/a\\04", "/a\\04"}, {"/a\\048", "/a\\048"}, {"", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_free_ char *name = mounts_unescape(blob_of(cases[i][0]));

		CHECK_STR(name, cases[i][1]);
	}
}
