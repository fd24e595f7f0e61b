/* Promises: disks are described from sysfs alone, wherever the serial is kept; machine files come out as they must. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/tests/test.h"
#include "installer/config.h"
#include "installer/facts/facts.h"

static void put(int dir, const char *path, const char *text)
{
	mkdir_parents(dir, path, 0755);
	write_file(dir, path, text, strlen(text), 0644);
}

/* An ATA disk with two partitions, an empty card reader, a USB stick that is the medium, a loop device. */
static void make_machine(int dir, const char *root)
{
	_cleanup_free_ char *swaps = NULL;
	static const char page[] = "\0\x80\0\x0c  S6Z1NX0R01";

	put(dir, "sys/devices/pci0/ata1/host0/block/sda/size", "41943040\n");
	put(dir, "sys/devices/pci0/ata1/host0/block/sda/dev", "8:0\n");
	put(dir, "sys/devices/pci0/ata1/host0/block/sda/ro", "0\n");
	put(dir, "sys/devices/pci0/ata1/host0/block/sda/device/model", "Fast \x1b[31m Disk   \n");
	mkdir_p(dir, "sys/devices/pci0/ata1/host0/block/sda/device", 0755);
	write_file(dir, "sys/devices/pci0/ata1/host0/block/sda/device/vpd_pg80", page, sizeof(page) - 1, 0644);
	put(dir, "sys/devices/pci0/ata1/host0/block/sda/device/wwid", "naa.5002538\n");
	put(dir, "sys/devices/pci0/ata1/host0/block/sda/queue/physical_block_size", "4096\n");
	put(dir, "sys/devices/pci0/ata1/host0/block/sda/sda2/partition", "2\n");
	put(dir, "sys/devices/pci0/ata1/host0/block/sda/sda2/start", "4096\n");
	put(dir, "sys/devices/pci0/ata1/host0/block/sda/sda2/size", "8192\n");
	put(dir, "sys/devices/pci0/ata1/host0/block/sda/sda2/dev", "8:2\n");
	put(dir, "sys/devices/pci0/ata1/host0/block/sda/sda2/holders/dm-3/dm/name", "home\n");
	put(dir, "sys/devices/pci0/ata1/host0/block/sda/sda1/partition", "1\n");
	put(dir, "sys/devices/pci0/ata1/host0/block/sda/sda1/size", "2048\n");
	put(dir, "sys/devices/pci0/usb1/1-1/idVendor", "abcd\n");
	put(dir, "sys/devices/pci0/usb1/1-1/serial", "STICK7\n");
	put(dir, "sys/devices/pci0/usb1/1-1/host6/block/sdb/size", "8388608\n");
	put(dir, "sys/devices/pci0/usb1/1-1/host6/block/sdb/dev", "8:16\n");
	put(dir, "sys/devices/pci0/usb1/1-1/host6/block/sdb/removable", "1\n");
	CHECK(!symlinkat("../..", dir, "sys/devices/pci0/usb1/1-1/host6/block/sdb/device"));
	put(dir, "sys/devices/sdc/size", "0\n");
	put(dir, "sys/devices/nvme0c0n1/size", "8388608\n");
	put(dir, "sys/devices/nvme0c0n1/hidden", "1\n");
	CHECK(mkdir_p(dir, "sys/block", 0755) == 0 && !symlinkat("../devices/nvme0c0n1", dir, "sys/block/nvme0c0n1"));
	put(dir, "sys/devices/loop0/size", "100\n");
	mkdir_p(dir, "sys/block", 0755);
	CHECK(!symlinkat("../devices/pci0/ata1/host0/block/sda", dir, "sys/block/sda"));
	CHECK(!symlinkat("../devices/pci0/usb1/1-1/host6/block/sdb", dir, "sys/block/sdb"));
	CHECK(!symlinkat("../devices/sdc", dir, "sys/block/sdc"));
	CHECK(!symlinkat("../devices/loop0", dir, "sys/block/loop0"));
	put(dir, "sys/firmware/efi/fw_platform_size", "64\n");
	put(dir, "sys/hypervisor/type", "xen\n");
	put(dir, "proc/meminfo", "MemTotal:        8000000 kB\nMemFree: 1 kB\n");
	put(dir, "proc/self/mountinfo", "30 1 8:16 / /run/bulkhead/medium ro - iso9660 /dev/sdb ro\n");
	put(dir, "sys/devices/sdd/size", "8388608\n");
	CHECK(!symlinkat("../devices/sdd", dir, "sys/block/sdd"));
	swaps = xasprintf("Filename Type Size Used Priority\n%s/dev/sdd2 partition 1 0 -2\n%s/dev/sdaa2 partition 1 0 -3\n",
			  root, root);
	put(dir, "proc/swaps", swaps);
	put(dir, "medium/templates/debian-13-minimal/manifest", "");
	put(dir, "medium/templates/.hidden/manifest", "");
	put(dir, "medium/guest-kernel/6.12.1/vmlinuz", "");
}

TEST(facts_from_sysfs)
{
	const char *root = test_dir();
	_cleanup_close_ int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *sys = xasprintf("%s/sys", root);
	_cleanup_free_ char *proc = xasprintf("%s/proc", root);
	_cleanup_free_ char *dev = xasprintf("%s/dev", root);
	struct facts_source from = {sys, proc, dev, "/run/bulkhead/medium", false};
	_cleanup_facts_ struct facts facts = {0};
	_cleanup_error_ struct error err = {0};
	const struct disk *sda, *sdb;

	make_machine(dir, root);
	if (!CHECK_INT(facts_gather(&from, &facts, &err), 0))
		return;
	CHECK_INT(facts.firmware, FIRMWARE_UEFI);
	CHECK(facts.xen);
	CHECK_INT(facts.memory, 8000000LL << 10);
	sda = facts.disks;
	sdb = sda ? sda->next : NULL;
	if (!CHECK(sda && sdb && sdb->next && !sdb->next->next))
		return;
	CHECK(sdb->next->in_use && strstr(sdb->next->in_use, "/dev/sdd2 is used as swap"));
	CHECK_STR(sda->name, "sda");
	CHECK_STR(sda->model, "Fast ?[31m Disk"); /* nothing that a terminal would obey */
	CHECK_STR(sda->serial, "S6Z1NX0R01");
	CHECK_STR(sda->id, "naa.5002538");
	CHECK_STR(sda->transport, "ata");
	CHECK_INT(sda->size, 20LL << 30);
	CHECK_INT(sda->physical, 4096);
	CHECK_STR(sda->in_use, "sda2 is held by home");
	CHECK(sda->partitions && sda->partitions->number == 1 && sda->partitions->next->start == 4096 * 512);
	CHECK_STR(sdb->serial, "STICK7");
	CHECK_STR(sdb->transport, "usb");
	CHECK(sdb->removable && sdb->medium && !sda->medium);
	CHECK_STR(sdb->in_use, "sdb is mounted on /run/bulkhead/medium");
}

/* Btrfs is mounted under a number that no device has. */
TEST(facts_of_a_mounted_btrfs)
{
	const char *root = test_dir();
	_cleanup_close_ int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *sys = xasprintf("%s/sys", root);
	_cleanup_free_ char *proc = xasprintf("%s/proc", root);
	_cleanup_free_ char *dev = xasprintf("%s/dev", root);
	_cleanup_free_ char *mounts = xasprintf("31 1 0:35 /@ /home rw shared:1 - btrfs %s/dev/sda2 rw\n"
						"32 1 0:36 / /tmp rw - tmpfs tmpfs rw\n", root);
	struct facts_source from = {sys, proc, dev, "/run/bulkhead/medium", false};
	_cleanup_facts_ struct facts facts = {0};

	make_machine(dir, root);
	put(dir, "proc/self/mountinfo", mounts);
	CHECK_INT(facts_gather(&from, &facts, NULL), 0);
	if (CHECK(facts.disks && facts.disks->next))
		CHECK_STR(facts.disks->in_use, "sda2 is mounted on /home");
	CHECK(!facts.disks->next->in_use);
}

/* Tables are full of NULs. */
TEST(facts_acpi_tables_are_whole)
{
	static const char table[] = "RMAD\x88\0\0\0\1sum\0\0end";
	const char *root = test_dir();
	_cleanup_close_ int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *sys = xasprintf("%s/sys", root);
	struct facts_source from = {sys, "/nowhere", "/nowhere", "/nowhere", false};
	_cleanup_facts_ struct facts facts = {0};
	const struct acpi_table *t;

	make_machine(dir, root);
	CHECK_INT(mkdir_p(dir, "sys/firmware/acpi/tables", 0755), 0);
	CHECK_INT(write_file(dir, "sys/firmware/acpi/tables/RMAD", table, sizeof(table), 0644), 0);
	CHECK_INT(facts_gather(&from, &facts, NULL), 0);
	t = facts.hardware.tables;
	if (!CHECK(t && !t->next && t->bytes.n == sizeof(table)))
		return;
	CHECK_STR(t->name, "RMAD");
	CHECK(!memcmp(t->bytes.p, table, sizeof(table)));
}

/* Hotkeys of a laptop and a receiver of a remote control repeat, too: what cannot type a passphrase is no keyboard. */
TEST(facts_keyboards_have_letters)
{
	static const char devices[] =
		"I: Bus=0019 Vendor=0000 Product=0001 Version=0000\nN: Name=\"Power Button\"\nB: PROP=0\nB: EV=3\n"
		"B: KEY=10000000000000 0\n\n"
		"I: Bus=0019 Vendor=0000 Product=0000 Version=0000\nN: Name=\"Asus WMI hotkeys\"\nB: PROP=0\nB: EV=100013\n"
		"B: KEY=1000000080000 0 800000000000 0 0 a1606f00900000 8200027800501000 e000000000000 0\nB: MSC=10\n\n"
		"I: Bus=0019 Vendor=1283 Product=0000 Version=0000\nN: Name=\"ITE8708 CIR transceiver\"\nB: PROP=20\n"
		"B: EV=100017\nB: KEY=fff 0 200108fc32e 237605100000000 0 700158000 419200004001 9e968000000000 10000002\n\n"
		"I: Bus=0003 Vendor=046d Product=c31c Version=0110\nN: Name=\"Logitech USB Keyboard\"\nB: PROP=0\nB: EV=120013\n"
		"B: KEY=1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe\nB: MSC=10\nB: LED=7\n\n"
		"I: Bus=0011 Vendor=0001 Product=0001 Version=ab41\nN: Name=\"AT Translated Set 2 keyboard\"\nB: PROP=0\n"
		"B: EV=120013\nB: KEY=402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe\nB: MSC=10\nB: LED=7\n\n";
	const char *root = test_dir();
	_cleanup_close_ int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *sys = xasprintf("%s/sys", root);
	_cleanup_free_ char *proc = xasprintf("%s/proc", root);
	struct facts_source from = {sys, proc, "/nowhere", "/nowhere", false};
	_cleanup_facts_ struct facts facts = {0};
	const struct keyboard *k;

	make_machine(dir, root);
	put(dir, "proc/bus/input/devices", devices);
	CHECK_INT(facts_gather(&from, &facts, NULL), 0);
	k = facts.hardware.keyboards;
	if (!CHECK(k && k->next && !k->next->next))
		return;
	CHECK_STR(k->name, "Logitech USB Keyboard");
	CHECK_STR(k->bus, "usb");
	CHECK_STR(k->next->bus, "ps2");
}

TEST(facts_contents_of_the_medium)
{
	const char *root = test_dir();
	_cleanup_close_ int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *sys = xasprintf("%s/sys", root);
	_cleanup_free_ char *medium = xasprintf("%s/medium", root);
	struct facts_source from = {sys, "/nowhere", "/nowhere", medium, false};
	_cleanup_facts_ struct facts facts = {0};

	make_machine(dir, root);
	CHECK_INT(facts_gather(&from, &facts, NULL), 0);
	CHECK(facts.templates && !facts.templates[1]);
	CHECK_STR(facts.templates[0], "debian-13-minimal");
	CHECK_STR(facts.guest_kernels[0], "6.12.1");
}

TEST(partition_names)
{
	_cleanup_free_ char *a = disk_partition_device("/dev/sda", 3);
	_cleanup_free_ char *b = disk_partition_device("/dev/nvme0n1", 3);

	CHECK_STR(a, "/dev/sda3");
	CHECK_STR(b, "/dev/nvme0n1p3");
}

static struct install example(const struct plan *plan)
{
	struct install in = {.plan = plan};

	snprintf(in.uuid.luks, UUID_TEXT, "L-1");
	snprintf(in.uuid.root, UUID_TEXT, "R-2");
	snprintf(in.uuid.boot, UUID_TEXT, "B-3");
	snprintf(in.uuid.esp, UUID_TEXT, "E-4");
	return in;
}

TEST(config_texts)
{
	const struct plan plan = {.dom0_memory = 2048};
	const struct install in = example(&plan);
	_cleanup_strbuf_ struct strbuf fstab = {0};
	_cleanup_strbuf_ struct strbuf grub = {0};
	_cleanup_error_ struct error err = {0};

	config_fstab(&in, &fstab);
	CHECK(strstr(fstab.p, "UUID=R-2 / btrfs subvol=@,noatime 0 0\n") != NULL);
	CHECK(strstr(fstab.p, "UUID=R-2 /var/lib/qubes btrfs subvol=@qubes,noatime 0 0\n") != NULL);
	CHECK(strstr(fstab.p, "UUID=B-3 /boot ext4 noatime 0 2\n") != NULL);
	CHECK(strstr(fstab.p, "UUID=E-4 /boot/efi vfat umask=0077,nofail 0 2\n") != NULL);
	CHECK_INT(config_grub(&in, "t", BLOB("a @BOOT_UUID@ subvol=@ x@DOM0_MEM@M @ROOT@@UNLOCK@\n"), &grub, &err), 0);
	CHECK_STR(grub.p, "a B-3 subvol=@ x2048M /dev/mapper/luks-L-1rd.luks.uuid=L-1 rd.luks.options=L-1=tries=0,discard\n");
	CHECK_INT(config_grub(&in, "t", BLOB("one\ntwo @WHAT@\n"), &grub, &err), -EINVAL);
	CHECK_STR(err.cause, "line 2: unknown word @WHAT@");
}

TEST(config_without_encryption)
{
	const struct plan plan = {.dom0_memory = 2048};
	struct install in = example(&plan);
	_cleanup_strbuf_ struct strbuf crypttab = {0};
	_cleanup_strbuf_ struct strbuf grub = {0};

	in.uuid.luks[0] = '\0';
	config_crypttab(&in, &crypttab);
	CHECK(!strstr(crypttab.p, "luks-"));
	CHECK_INT(config_grub(&in, "t", BLOB("@ROOT@ @UNLOCK@\n"), &grub, NULL), 0);
	CHECK_STR(grub.p, "UUID=R-2 rd.luks=0\n");
}

/* The template that the image really carries has no word that the installer does not know. */
TEST(config_of_the_real_boot_menu)
{
	static const char path[] = "dom0-rootfs/overlay/usr/lib/bulkhead/grub.cfg";
	const struct plan plan = {.dom0_memory = 2048};
	const struct install in = example(&plan);
	_cleanup_strbuf_ struct strbuf text = {0};
	_cleanup_strbuf_ struct strbuf menu = {0};

	if (read_file(AT_FDCWD, path, 65536, &text) < 0) {
		test_skip("run from the top of the source tree");
		return;
	}
	CHECK_INT(config_grub(&in, path, strbuf_blob(&text), &menu, NULL), 0);
	CHECK(strstr(menu.p, "rd.luks.uuid=L-1") && strstr(menu.p, "dom0_mem=2048M") && strstr(menu.p, "subvol=@,"));
}
