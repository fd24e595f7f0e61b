/* Promise: what sysfs, udev and the kernel's lists say decides which devices others can have, and with which values. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"
#include "common/tests/test.h"
#include "runtime/block/devices.h"

/* A tree with sysfs, udev's database and /proc: see what each line makes below. */
static const char *root;

static void put(const char *path, const char *text)
{
	_cleanup_free_ char *whole = xasprintf("%s/%s", root, path);

	mkdir_parents(AT_FDCWD, whole, 0755);
	CHECK_INT(write_file(AT_FDCWD, whole, text, strlen(text), 0644), 0);
}

static void put_in(const char *folder, const char *file, const char *text)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", folder, file);

	put(path, text);
}

/* `disk` is NULL for what is no partition. */
static void device(const char *name, const char *disk, const char *number, const char *sectors, const char *udev)
{
	_cleanup_free_ char *folder = xasprintf("sys/devices/block/%s%s%s", disk ? disk : "", disk ? "/" : "", name),
			    *link = xasprintf("%s/sys/class/block/%s", root, name), *target = xasprintf("../../../%s", folder),
			    *database = xasprintf("run/udev/data/b%s", number), *node = xasprintf("dev/%s", name);

	put_in(folder, "dev", number);
	put_in(folder, "size", sectors);
	if (disk)
		put_in(folder, "partition", "1\n");
	mkdir_parents(AT_FDCWD, link, 0755);
	CHECK_INT(symlink(target, link), 0);
	if (udev)
		put(database, udev);
	put(node, "");
}

static void begin(void)
{
	root = test_dir();
	put("proc/self/mountinfo", "");
	put("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n");
}

#define STICK "S:disk/by-id/x\nE:ID_MODEL=Stick_8\033G\nE:ID_FS_LABEL=DATA\n"

static const char *refusal_of(const struct block_list *l, const char *name)
{
	const struct block_device *d = block_find(l, name);

	return CHECK(d) ? block_refusal(l, d) : "";
}

static void check_refusal(const char *name, const char *want)
{
	_cleanup_block_list_ struct block_list l = {0};

	block_look(root, &l);
	CHECK_STR(refusal_of(&l, name), want);
}

TEST(a_stick)
{
	_cleanup_block_list_ struct block_list l = {0};
	const struct block_device *d;

	begin();
	device("sda", NULL, "8:0", "2048\n", STICK);
	device("sda1", "sda", "8:1", "1024\n", STICK);
	put("sys/devices/block/sda/sda1/ro", "1\n");
	block_look(root, &l);
	CHECK_INT(l.n, 2);
	CHECK_STR(refusal_of(&l, "sda"), NULL);
	CHECK_STR(refusal_of(&l, "sda1"), NULL);
	d = block_find_port(&l, BLOB("sda1"));
	if (!CHECK(d))
		return;
	CHECK_STR(d->desc, "Stick_8_G (DATA)");
	CHECK_INT(d->size, 524288);
	CHECK(d->read_only && !l.v[0].read_only);
	CHECK_STR(d->parent, "sda");
}

TEST(never_given)
{
	begin();
	device("xvda", NULL, "202:0", "2048", "E:A=B\n");
	device("zram0", NULL, "253:0", "2048", "E:A=B\n");
	device("sda", NULL, "8:0", "0", STICK);
	device("sdb", NULL, "8:16", "2048", NULL);
	device("s_c", NULL, "8:32", "2048", STICK);
	device("nvme0c0n1", NULL, "259:1", "2048", STICK);
	put("sys/devices/block/nvme0c0n1/hidden", "1\n");
	device("sr0", NULL, "11:0", "2097151", "E:ID_CDROM=1\n");
	device("dm-0", NULL, "254:0", "2048", "E:DM_NAME=x\nE:DM_UDEV_DISABLE_DISK_RULES_FLAG=1\n");
	device("dm-1", NULL, "254:1", "2048", "E:A=B\n");
	check_refusal("xvda", "another qube provides it");
	check_refusal("zram0", "it is memory of this system");
	check_refusal("sda", "there is no medium in it");
	check_refusal("sdb", "udev has not seen it yet");
	check_refusal("s_c", "its name has characters that others are not told");
	check_refusal("nvme0c0n1", "it is a path to another device");
	check_refusal("sr0", "there is no medium in it");
	check_refusal("dm-0", "it is a part of another mapping");
	check_refusal("dm-1", "it has no name yet");
}

TEST(a_disc_and_a_mapping)
{
	_cleanup_block_list_ struct block_list l = {0};

	begin();
	device("cciss!c0d0", NULL, "104:0", "2048", "E:ID_SERIAL=77\n");
	device("dm-0", NULL, "254:0", "2048", "E:DM_NAME=mine\n");
	device("dm-1", NULL, "254:1", "2048", "E:DM_NAME=x\nE:DM_UDEV_DISABLE_DISK_RULES_FLAG=1\nE:QUBES_EXPORT_BLOCK_DEVICE=1\n");
	device("sr0", NULL, "11:0", "2048", "E:ID_CDROM=1\nE:ID_CDROM_MEDIA=1\nE:ID_MODEL=Drive\n");
	block_look(root, &l);
	for (size_t i = 0; i < l.n; i++)
		CHECK_STR(block_refusal(&l, &l.v[i]), NULL);
	CHECK_STR(l.v[0].port, "cciss_c0d0");
	CHECK_STR(l.v[0].desc, "77 ()");
	CHECK_STR(l.v[1].desc, "mine");
	CHECK(l.v[3].read_only);
}

TEST(loop_devices)
{
	_cleanup_block_list_ struct block_list l = {0};

	begin();
	device("loop0", NULL, "7:0", "2048", "E:A=B\n");
	device("loop1", NULL, "7:1", "2048", "E:A=B\n");
	put("sys/devices/block/loop1/loop/backing_file", "/home/user/a file.iso\n");
	put("sys/devices/block/loop1/loop/autoclear", "0\n");
	device("loop2", NULL, "7:2", "2048", "E:A=B\n");
	put("sys/devices/block/loop2/loop/backing_file", "/var/lib/qubes/appvms/work/private.img\n");
	put("sys/devices/block/loop2/loop/autoclear", "1\n");
	device("loop2p1", "loop2", "259:0", "1024", "E:A=B\n");
	/* One over a disk keeps that from others. */
	device("sda", NULL, "8:0", "2048", STICK);
	device("loop3", NULL, "7:3", "2048", "E:A=B\n");
	put("sys/devices/block/loop3/loop/backing_file", "/dev/sda\n");
	block_look(root, &l);
	CHECK_STR(refusal_of(&l, "loop0"), "it stands for no file, or is made for one user of it");
	CHECK_STR(refusal_of(&l, "loop1"), NULL);
	CHECK_STR(block_find(&l, "loop1")->desc, "/home/user/a file.iso");
	CHECK_STR(refusal_of(&l, "loop2"), "it stands for no file, or is made for one user of it");
	CHECK_STR(refusal_of(&l, "loop2p1"), "it stands for no file, or is made for one user of it");
	CHECK_STR(refusal_of(&l, "loop3"), NULL);
	CHECK_STR(refusal_of(&l, "sda"), "it is in use");
}

/* dom0's: LUKS and Btrfs on sda2, a second disk with other uses. */
TEST(the_systems_own)
{
	begin();
	device("sda", NULL, "8:0", "9000", STICK);
	device("sda1", "sda", "8:1", "1000", STICK);
	device("sda2", "sda", "8:2", "4000", STICK);
	device("sda3", "sda", "8:3", "4000", STICK);
	device("dm-0", NULL, "254:0", "4000", "E:DM_NAME=luks-root\n");
	put("sys/devices/block/dm-0/slaves/sda2", "");
	device("dm-1", NULL, "254:1", "4000", "E:DM_NAME=other\n");
	put("sys/devices/block/dm-1/slaves/sda3", "");
	device("sdb", NULL, "8:16", "9000", STICK);
	device("sdb1", "sdb", "8:17", "1000", STICK);
	device("sdb2", "sdb", "8:18", "1000", STICK);
	device("sdc", NULL, "8:32", "9000", STICK);
	device("sdd", NULL, "8:48", "9000", STICK);
	put("sys/fs/btrfs/11-22/devices/sdc", "");
	put("sys/fs/btrfs/11-22/devices/sdd", "");
	device("sde", NULL, "8:64", "9000", STICK);
	device("sde1", "sde", "8:65", "9000", STICK);
	put("proc/self/mountinfo", "22 1 0:21 /root / rw shared:1 - btrfs /dev/dm-0 rw\n"
				   "30 22 8:17 / /mnt/a\\040b rw - ext4 /dev/whatever rw\n"
				   "31 22 0:40 / /mnt/c rw - btrfs /dev/sdc rw\n");
	put("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n/dev/sde1\tpartition\t4096\t0\t-2\n");
	for (size_t i = 0; i < 6; i++)
		check_refusal(((const char *const[]){"sda", "sda1", "sda2", "sda3", "dm-0", "dm-1"})[i], "this system is on the disk");
	check_refusal("sdb", "a part of it is in use");
	check_refusal("sdb1", "it is in use");
	check_refusal("sdb2", NULL);
	check_refusal("sdc", "it is in use");
	check_refusal("sdd", "it is in use");
	check_refusal("sde", "a part of it is in use");
}

TEST(what_other_qubes_have)
{
	begin();
	device("sda", NULL, "8:0", "9000", STICK);
	device("sda1", "sda", "8:1", "1000", STICK);
	device("sda2", "sda", "8:2", "1000", STICK);
	device("sdq", NULL, "65:0", "9000", STICK);
	device("sdq1", "sdq", "65:1", "9000", STICK);
	put("sys/bus/xen-backend/devices/vbd-3-51840/physical_device", "8:1\n");
	put("sys/bus/xen-backend/devices/vbd-4-51840/physical_device", "41:0\n");
	put("sys/bus/xen-backend/devices/vbd-5-51840/state", "");
	check_refusal("sda", "another qube has a part of it");
	check_refusal("sda1", NULL);
	check_refusal("sda2", NULL);
	check_refusal("sdq", NULL);
	check_refusal("sdq1", "another qube has the whole disk");
}

TEST(what_is_asked_for)
{
	static const char *const cases[][3] = {
		{"/dev/sda", "w", NULL},
		{"/dev/sda", "r", NULL},
		{"/dev/cciss/c0d0", "w", NULL},
		{"/dev/sdb", "w", "it can only be read"},
		{"/dev/sdb", "r", NULL},
		{"/dev/sdc", "r", "another qube has it"},
		{"/dev/xvda", "r", "another qube provides it"},
		{"/dev/sdz", "r", "there is no such device"},
		{"/dev/../dev/sda", "r", "there is no such device"},
		{"/etc/passwd", "r", "no device below /dev, or no mode is asked for"},
		{"sda", "r", "no device below /dev, or no mode is asked for"},
		{"/dev/", "r", "there is no such device"},
		{"/dev/sdaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "r", "no device below /dev, or no mode is asked for"},
		{NULL, "r", "no device below /dev, or no mode is asked for"},
		{"/dev/sda", NULL, "no device below /dev, or no mode is asked for"},
	};
	_cleanup_block_list_ struct block_list l = {0};

	begin();
	device("sda", NULL, "8:0", "9000", STICK);
	device("cciss!c0d0", NULL, "104:0", "2048", STICK);
	device("sdb", NULL, "8:16", "9000", STICK);
	put("sys/devices/block/sdb/ro", "1\n");
	device("sdc", NULL, "8:32", "9000", STICK);
	device("xvda", NULL, "202:0", "9000", STICK);
	put("sys/bus/xen-backend/devices/vbd-4-51840/physical_device", "8:20\n");
	block_look(root, &l);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *why = NULL;
		const struct block_device *d = block_requested(&l, cases[i][0], cases[i][1], &why);

		CHECK_STR(why, cases[i][2]);
		CHECK(!d == !!cases[i][2]);
	}
}
