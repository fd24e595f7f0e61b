/*
 * Plays a log of writes, as QEMU's blklogwrites driver makes it, onto a disk up to a point: what the disk would hold had
 * the power gone there. The format is that of dm-log-writes (Linux, drivers/md/dm-log-writes.c): a superblock, then for
 * each write a sector that describes it and its data.
 *
 *   lab-replay LOG              the number of entries, then the numbers of those that end in a flush
 *   lab-replay LOG DISK N       empties DISK and applies the first N entries
 */
#include <endian.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"

#define MAGIC 0x6a736677736872ULL

enum { FLUSH = 1, FUA = 2, DISCARD = 4 };

struct super {
	uint64_t magic, version, entries;
	uint32_t sector_size;
};

struct entry {
	uint64_t sector, sectors, flags, data_size;
};

static int fail(const char *what)
{
	fprintf(stderr, "lab-replay: %s: %s\n", what, strerror(errno));
	return 1;
}

static int read_super(int log, struct super *out)
{
	if (pread(log, out, sizeof(*out), 0) != (ssize_t)sizeof(*out))
		return -EIO;
	out->entries = le64toh(out->entries);
	out->sector_size = le32toh(out->sector_size);
	return le64toh(out->magic) == MAGIC && out->sector_size >= 512 && out->sector_size <= 65536 ? 0 : -EBADMSG;
}

static int read_entry(int log, uint64_t at, struct entry *out)
{
	if (pread(log, out, sizeof(*out), (off_t)at) != (ssize_t)sizeof(*out))
		return -EIO;
	*out = (struct entry){le64toh(out->sector), le64toh(out->sectors), le64toh(out->flags), le64toh(out->data_size)};
	return 0;
}

/* What was discarded may be anything: it stays. */
static int apply(int log, int disk, uint64_t from, const struct entry *e, uint32_t unit)
{
	enum { PIECE = 1 << 20 };
	_cleanup_free_ char *buffer = xmalloc(PIECE);
	uint64_t size = e->flags & DISCARD ? 0 : e->sectors * unit;

	for (uint64_t done = 0; done < size;) {
		size_t want = size - done < PIECE ? (size_t)(size - done) : PIECE;
		ssize_t n = pread(log, buffer, want, (off_t)(from + done));

		if (n <= 0 || pwrite(disk, buffer, (size_t)n, (off_t)(e->sector * unit + done)) != n)
			return -EIO;
		done += (uint64_t)n;
	}
	return 0;
}

/* The lab's disks are sparse files: what is discarded reads as zeros, and a log of it takes no room. */
static int empty(int disk)
{
	uint64_t range[2] = {0, 0};
	struct stat st;

	if (!fstat(disk, &st) && S_ISREG(st.st_mode))
		return ftruncate(disk, 0) || ftruncate(disk, st.st_size) ? -errno : 0;
	return ioctl(disk, BLKGETSIZE64, &range[1]) || ioctl(disk, BLKDISCARD, range) ? -errno : 0;
}

static int walk(int log, const struct super *super, int disk, uint64_t limit)
{
	uint64_t at = super->sector_size;

	for (uint64_t i = 0; i < super->entries && i < limit; i++) {
		struct entry e;

		if (read_entry(log, at, &e) < 0)
			return -EIO;
		at += super->sector_size;
		if (disk >= 0 && apply(log, disk, at, &e, super->sector_size) < 0)
			return -EIO;
		if (disk < 0 && e.flags & (FLUSH | FUA))
			printf("%" PRIu64 "\n", i + 1);
		if (!(e.flags & DISCARD))
			at += e.sectors * super->sector_size;
	}
	return 0;
}

int main(int argc, char **argv)
{
	_cleanup_close_ int log = argc == 2 || argc == 4 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	_cleanup_close_ int disk = argc == 4 ? open(argv[2], O_RDWR | O_CLOEXEC) : -1;
	uint64_t limit = argc == 4 ? strtoull(argv[3], NULL, 10) : UINT64_MAX;
	struct super super;

	if (log < 0 || read_super(log, &super) < 0)
		return fail(argc > 1 ? argv[1] : "usage: lab-replay LOG [DISK N]");
	if (argc == 2)
		printf("%" PRIu64 "\n", super.entries);
	else if (disk < 0 || empty(disk) < 0)
		return fail(argv[2]);
	if (walk(log, &super, disk, limit) < 0 || (disk >= 0 && fsync(disk)))
		return fail("replay");
	return 0;
}
