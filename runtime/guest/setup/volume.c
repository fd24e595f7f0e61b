#include "runtime/guest/setup/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/blkpg.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/base/le.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "runtime/guest/device.h"
#include "runtime/guest/init/gpt.h"

#define DISK "xvdb"
#define DEVICE "/dev/" DISK
#define ROOT_DISK "xvda"
#define ROOT_DEVICE "/dev/" ROOT_DISK
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)

enum {
	DISK_SECONDS = 60,
	RESIZE_SECONDS = 10,
	VOLUME_NAME_MAX = 32,
	SPARE_BYTES = 2 << 20, /* so much may be left free behind the root's partition */
	ZERO_BYTES = 10 << 20, /* so much must be zero before a file system is made: there may be
				  foreign data */
	CHUNK = 1 << 20,
	/* The ext4 superblock, Linux Documentation/filesystems/ext4/super.rst. */
	SUPER_AT = 1024,
	SUPER_BLOCKS_LO = 0x04,
	SUPER_LOG_BLOCK_SIZE = 0x18,
	SUPER_MAGIC = 0x38,
	SUPER_STATE = 0x3a,
	SUPER_BLOCKS_HI = 0x150,
	STATE_VALID = 1,
	STATE_ERROR = 2,
};

struct superblock {
	unsigned char b[1024];
};

/* True and *sb filled when there is an ext file system. */
static bool read_superblock(int fd, struct superblock *sb)
{
	return pread(fd, sb->b, sizeof(sb->b), SUPER_AT) == (ssize_t)sizeof(sb->b) &&
	       le16_at(sb->b + SUPER_MAGIC) == 0xef53;
}

int setup_volume_state(int fd)
{
	static const char zero[CHUNK];
	struct superblock sb;

	if (read_superblock(fd, &sb)) {
		unsigned state = le16_at(sb.b + SUPER_STATE);

		return (state & STATE_VALID) && !(state & STATE_ERROR) ? VOLUME_CLEAN
								       : VOLUME_DIRTY;
	}

	_cleanup_free_ char *chunk = xmalloc(CHUNK);
	for (off_t at = 0; at < ZERO_BYTES; at += CHUNK) {
		ssize_t n = pread(fd, chunk, CHUNK, at);

		if (n < 0)
			return -errno;
		if (memcmp(chunk, zero, (size_t)n))
			return VOLUME_OTHER;
		if (n < CHUNK)
			break;
	}
	return VOLUME_EMPTY;
}

static int run(struct setup *s, const char *const *argv)
{
	_cleanup_error_ struct error err = {0};
	int r = process_check(argv, &err);

	if (r < 0)
		setup_complain(s, err.object ? err.object : argv[0], "%s",
			       err.cause ? err.cause : strerror(-r));
	return r;
}

static int make_file_system(struct setup *s)
{
	/* A disposable's volume is thrown away: a journal would only cost. */
	bool disposable = faccessat(s->root, "run/qubes/persistent-none", F_OK, 0) == 0;
	const char *const argv[] = {"mkfs.ext4", "-q", "-F",
				    "-m",	 "0",  "-E",
				    "nodiscard", "-O", disposable ? "^has_journal" : "has_journal",
				    DEVICE,	 NULL};

	return run(s, argv);
}

/* Exit code 1 means that all errors were corrected. */
static int check_file_system(struct setup *s)
{
	const char *const argv[] = {"fsck.ext4", "-p", DEVICE, NULL};
	struct process p = {.argv = argv};
	int r = process_run(&p);

	if (r == 0 || r == 1)
		return 0;
	setup_complain(s, DEVICE,
		       "fsck -p could not repair it (exit code %d); run fsck.ext4 by hand", r);
	return -EUCLEAN;
}

/* The file system that is mounted there as large as its device, by the kernel. */
static void grow(struct setup *s, const char *device, const char *mounted)
{
	_cleanup_close_ int fd = open(device, O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int folder = openat(s->root, mounted, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat disk, at;
	struct superblock sb;
	uint64_t bytes = 0;

	if (fd < 0 || folder < 0 || fstat(fd, &disk) < 0 || fstat(folder, &at) < 0 || at.st_dev != disk.st_rdev)
		return; /* another one */
	if (!read_superblock(fd, &sb) || ioctl(fd, BLKGETSIZE64, &bytes) < 0 ||
	    le32_at(sb.b + SUPER_LOG_BLOCK_SIZE) > 6)
		return;

	uint64_t blocks = bytes >> (10 + le32_at(sb.b + SUPER_LOG_BLOCK_SIZE));
	uint64_t now = le32_at(sb.b + SUPER_BLOCKS_LO) | (uint64_t)le32_at(sb.b + SUPER_BLOCKS_HI) << 32;

	if (blocks > now && ioctl(folder, EXT4_IOC_RESIZE_FS, &blocks) < 0)
		setup_complain(s, device, "cannot grow the file system: %s", strerror(errno));
}

static void grow_private(struct setup *s)
{
	grow(s, DEVICE, "rw");
}

/* Table and kernel take the partition for as large as the disk allows. */
static int grow_partition(unsigned sector_size, uint64_t sectors, struct gpt_partition *p)
{
	/* Only if there is something to write: udev looks at the disk again when it is closed. */
	_cleanup_close_ int fd = open(ROOT_DEVICE, O_RDWR | O_CLOEXEC);
	int r = fd < 0 ? -errno : gpt_grow(fd, sector_size, sectors, ROOT_PARTITION, p);
	struct blkpg_partition part = {.start = (long long)(p->first_lba * sector_size),
				       .length = (long long)((p->last_lba - p->first_lba + 1) * sector_size),
				       .pno = (int)p->number};
	struct blkpg_ioctl_arg arg = {.op = BLKPG_RESIZE_PARTITION, .datalen = sizeof(part), .data = &part};

	return r > 0 && ioctl(fd, BLKPG, &arg) < 0 ? -errno : r;
}

/* The root is a partition, or the whole disk (../init). */
static void grow_root(struct setup *s)
{
	_cleanup_close_ int fd = open(ROOT_DEVICE, O_RDONLY | O_CLOEXEC);
	char device[sizeof(ROOT_DEVICE) + 12] = ROOT_DEVICE;
	struct gpt_partition p = {0};
	int sector_size = 0, r;
	uint64_t bytes = 0;

	if (fd < 0 || ioctl(fd, BLKSSZGET, &sector_size) < 0 || ioctl(fd, BLKGETSIZE64, &bytes) < 0)
		return;
	r = gpt_find(fd, (unsigned)sector_size, ROOT_PARTITION, &p);
	if (r == 0) {
		uint64_t sectors = bytes / (unsigned)sector_size, spare = SPARE_BYTES / (unsigned)sector_size;

		snprintf(device, sizeof(device), ROOT_DEVICE "%u", p.number);
		if (sectors > spare && p.last_lba < sectors - spare)
			r = grow_partition((unsigned)sector_size, sectors, &p);
	}
	if (r < 0 && r != -ENODEV && r != -ENOENT)
		setup_complain(s, ROOT_DEVICE, "cannot grow the root's partition: %s", strerror(-r));
	else
		grow(s, device, ".");
}

static int mount_volume(struct setup *s)
{
	struct stat rw, root;

	mkdirat(s->root, "rw", 0755);
	if (fstatat(s->root, "rw", &rw, 0) == 0 && fstat(s->root, &root) == 0 &&
	    rw.st_dev != root.st_dev)
		return 0; /* is mounted already */
	if (mount(DEVICE, "/rw", "ext4", MS_NOSUID | MS_NODEV | MS_NOATIME, "discard") == 0)
		return 0;
	int r = -errno;
	setup_complain(s, DEVICE, "cannot mount the private volume on /rw: %s", strerror(-r));
	return r;
}

int setup_mount_dirs(struct setup *s)
{
	int r = 0;

	grow_root(s);
	if (!device_offered(DISK))
		return 0;
	if (device_wait(DISK, DISK_SECONDS) < 0) {
		setup_complain(s, DEVICE, "the private volume did not appear within %d s",
			       DISK_SECONDS);
		return -ETIMEDOUT;
	}
	_cleanup_close_ int fd = open(DEVICE, O_RDONLY | O_CLOEXEC);
	int state = fd < 0 ? -errno : setup_volume_state(fd);

	if (state < 0) {
		setup_complain(s, DEVICE, "cannot read the private volume: %s", strerror(-state));
		return state;
	}
	if (state == VOLUME_OTHER) {
		setup_complain(s, DEVICE,
			       "holds data that are no ext4 file system; it is left alone, and /rw "
			       "is not mounted");
		return -EUCLEAN;
	}
	if (state == VOLUME_EMPTY)
		r = make_file_system(s);
	else if (state == VOLUME_DIRTY)
		r = check_file_system(s);
	if (!r)
		r = mount_volume(s);
	if (!r) {
		grow_private(s);
		r = setup_rw_folders(s);
	}
	return r;
}

static const struct {
	const char *name, *device, *mounted;
	void (*grow)(struct setup *s);
} volumes[] = {
	{"private", DEVICE, "rw", grow_private},
	{"root", ROOT_DEVICE, ".", grow_root},
};

static uint64_t blocks_of(const struct setup *s, const char *mounted)
{
	_cleanup_close_ int fd = openat(s->root, mounted, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statvfs fs = {0};

	return fd >= 0 && fstatvfs(fd, &fs) == 0 ? fs.f_blocks : 0;
}

/* Xen's backend notices with the next request that the disk has another size. */
static void make_request(const char *device)
{
	static _Alignas(4096) char block[4096];
	_cleanup_close_ int fd = open(device, O_RDONLY | O_DIRECT | O_CLOEXEC);

	if (fd >= 0 && pread(fd, block, sizeof(block), 0) < 0)
		fprintf(stderr, "qubes-guest-setup: %s: cannot read it: %s\n", device, strerror(errno));
}

static int resize(struct setup *s, size_t i)
{
	uint64_t before = blocks_of(s, volumes[i].mounted);

	for (int k = 0; k < RESIZE_SECONDS * 10; k++) {
		make_request(volumes[i].device);
		volumes[i].grow(s);
		if (s->failed)
			return -EIO;
		if (blocks_of(s, volumes[i].mounted) > before)
			return 0;
		nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
	}
	setup_complain(s, volumes[i].device, "has not become larger, or what is mounted there cannot");
	return -ETIMEDOUT;
}

int setup_resize(struct setup *s)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct blob name;
	int r = read_fd(STDIN_FILENO, VOLUME_NAME_MAX, &text);

	if (r < 0)
		return r;
	name = blob_trim(strbuf_blob(&text));
	for (size_t i = 0; i < sizeof(volumes) / sizeof(*volumes); i++)
		if (blob_eq_str(name, volumes[i].name))
			return resize(s, i);
	setup_complain(s, "resize", "stdin names neither private nor root");
	return -EINVAL;
}
