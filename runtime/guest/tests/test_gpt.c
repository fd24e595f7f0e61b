/* Promise kept here: the root is found in a sound GPT, and a damaged or hostile one is refused,
 * never believed. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/tests/test.h"
#include "runtime/guest/init/gpt.h"

enum { SECTORS = 64, TABLE = 2 * 512, ENTRIES = 128 };

static uint32_t crc32_of(const uint8_t *p, size_t n)
{
	uint32_t crc = ~0u;

	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

static void put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, 4);
}

static void seal(uint8_t *disk)
{
	uint8_t *header = disk + 512;

	put32(header + 88, crc32_of(disk + TABLE, ENTRIES * 128));
	put32(header + 16, 0);
	put32(header + 16, crc32_of(header, 92));
}

static void put_entry(uint8_t *disk, unsigned at, const char *name, uint32_t first, uint32_t last)
{
	uint8_t *entry = disk + TABLE + at * 128;

	memset(entry, 0xaa, 32);
	put32(entry + 32, first);
	put32(entry + 40, last);
	for (size_t i = 0; name[i]; i++)
		entry[56 + 2 * i] = (uint8_t)name[i];
}

/* EFI system, BIOS boot and root, as in a template's disk. */
static uint8_t *make_disk(void)
{
	uint8_t *disk = xcalloc(SECTORS, 512), *header = disk + 512;

	memcpy(header, "EFI PART\0\0\1", 12);
	put32(header + 12, 92);
	put32(header + 72, 2);
	put32(header + 80, ENTRIES);
	put32(header + 84, 128);
	put_entry(disk, 0, "EFI System", 34, 35);
	put_entry(disk, 2, "Root filesystem", 40, 50);
	seal(disk);
	return disk;
}

static int find(const uint8_t *disk, const char *name, unsigned *number)
{
	struct gpt_partition partition = {0};
	int fd = memfd_create("disk", MFD_CLOEXEC);
	ssize_t n = write(fd, disk, SECTORS * 512);
	int r = n == SECTORS * 512 ? gpt_find(fd, 512, name, &partition) : -EIO;

	close(fd);
	*number = partition.number;
	return r;
}

TEST(gpt_finds)
{
	uint8_t *disk = make_disk();
	unsigned number;

	CHECK_INT(find(disk, "Root filesystem", &number), 0);
	CHECK_INT(number, 3);
	CHECK_INT(find(disk, "EFI System", &number), 0);
	CHECK_INT(number, 1);
	CHECK_INT(find(disk, "Root", &number), -ENOENT);
	CHECK_INT(find(disk, "Root filesystem2", &number), -ENOENT);
	CHECK_INT(find(disk, "0123456789012345678901234567890123456", &number), -ENOENT);
	free(disk);
}

TEST(gpt_first_of_two)
{
	uint8_t *disk = make_disk();
	unsigned number;

	put_entry(disk, 9, "Root filesystem", 51, 52);
	seal(disk);
	CHECK_INT(find(disk, "Root filesystem", &number), 0);
	CHECK_INT(number, 3);
	free(disk);
}

TEST(gpt_last_entry)
{
	uint8_t *disk = make_disk();
	unsigned number;

	put_entry(disk, ENTRIES - 1, "last", 51, 51);
	seal(disk);
	CHECK_INT(find(disk, "last", &number), 0);
	CHECK_INT(number, ENTRIES);
	free(disk);
}

TEST(no_gpt)
{
	uint8_t *disk = make_disk();
	unsigned number;

	disk[512] = 'X';
	CHECK_INT(find(disk, "Root filesystem", &number), -ENODEV);
	free(disk);
}

TEST(short_disk)
{
	struct gpt_partition partition;
	int fd = memfd_create("disk", MFD_CLOEXEC);

	CHECK_INT(gpt_find(fd, 512, "x", &partition), -ENODEV);
	CHECK_INT(ftruncate(fd, 700), 0);
	CHECK_INT(gpt_find(fd, 512, "x", &partition), -ENODEV);
	CHECK_INT(gpt_find(fd, 1 << 20, "x", &partition), -EINVAL);
	close(fd);
}

/* Each single bit of header and used entries is covered by a checksum. */
TEST(gpt_flipped_bytes)
{
	uint8_t *disk = make_disk();
	unsigned number;

	for (size_t at = 520; at < 512 + 92; at++) {
		disk[at] ^= 0x40;
		CHECK_INT(find(disk, "Root filesystem", &number), -EBADMSG);
		disk[at] ^= 0x40;
	}
	for (size_t at = TABLE; at < TABLE + 3 * 128; at++) {
		disk[at] ^= 1;
		CHECK_INT(find(disk, "Root filesystem", &number), -EBADMSG);
		disk[at] ^= 1;
	}
	CHECK_INT(find(disk, "Root filesystem", &number), 0);
	free(disk);
}

/* Well-formed checksums do not make a table sound. */
TEST(gpt_hostile_fields)
{
	static const struct {
		size_t at;
		uint32_t value;
	} bad[] = {
		{12, 91},	  {12, 513},	    {12, 0xffffffff}, /* header size */
		{72, 0},	  {72, 1},	    {76, 0x7fffffff},
		{76, 0xffffffff},				      /* where the table is */
		{80, 0},	  {80, 513},	    {80, 0xffffffff}, /* how many entries */
		{84, 0},	  {84, 127},	    {84, 132 + 1},
		{84, 1 << 17},	  {84, 0xfffffff8}, /* of what size */
	};
	unsigned number;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t *disk = make_disk();

		put32(disk + 512 + bad[i].at, bad[i].value);
		put32(disk + 512 + 16, 0);
		put32(disk + 512 + 16,
		      crc32_of(disk + 512,
			       bad[i].at == 12 && bad[i].value < 512 ? bad[i].value : 92));
		CHECK_INT(find(disk, "Root filesystem", &number), -EBADMSG);
		free(disk);
	}
}

TEST(gpt_table_beyond_the_disk)
{
	uint8_t *disk = make_disk();
	unsigned number;

	put32(disk + 512 + 72, SECTORS - 4);
	put32(disk + 512 + 16, 0);
	put32(disk + 512 + 16, crc32_of(disk + 512, 92));
	CHECK_INT(find(disk, "Root filesystem", &number), -EBADMSG);
	free(disk);
}

TEST(gpt_backwards_partition)
{
	uint8_t *disk = make_disk();
	unsigned number;

	put_entry(disk, 2, "Root filesystem", 50, 40);
	seal(disk);
	CHECK_INT(find(disk, "Root filesystem", &number), -EBADMSG);
	free(disk);
}

enum { LARGE_SECTORS = 4 * 2048 + 100, MIB = 2048 };

/* The disk from its head, on a larger one. */
static int disk_of(const uint8_t *head, uint64_t sectors)
{
	int fd = memfd_create("disk", MFD_CLOEXEC);

	CHECK_INT(write(fd, head, SECTORS * 512), SECTORS * 512);
	CHECK_INT(ftruncate(fd, (off_t)(sectors * 512)), 0);
	return fd;
}

static uint64_t get64_at(int fd, off_t at)
{
	uint64_t v = 0;

	CHECK_INT(pread(fd, &v, sizeof(v), at), sizeof(v));
	return v;
}

TEST(gpt_grows)
{
	uint8_t *disk = make_disk();
	int fd = disk_of(disk, LARGE_SECTORS);
	struct gpt_partition p, again;
	const off_t spare = (off_t)(LARGE_SECTORS - 1) * 512;
	uint8_t first[ENTRIES * 128], second[ENTRIES * 128], sector[512];
	struct gpt_header header;

	CHECK_INT(gpt_grow(fd, 512, LARGE_SECTORS, "Root filesystem", &p), 1);
	CHECK_INT(p.number, 3);
	CHECK_INT(p.first_lba, 40);
	CHECK_INT(p.last_lba, 4 * MIB - 1);
	CHECK_INT(gpt_find(fd, 512, "Root filesystem", &again), 0);
	CHECK_INT(again.last_lba, p.last_lba);
	CHECK_INT(gpt_find(fd, 512, "EFI System", &again), 0);
	CHECK_INT(again.last_lba, 35);
	/* Each header names itself and the other; what may be used ends before the second table. */
	CHECK_INT(get64_at(fd, 512 + 24), 1);
	CHECK_INT(get64_at(fd, 512 + 32), LARGE_SECTORS - 1);
	CHECK_INT(get64_at(fd, 512 + 48), LARGE_SECTORS - 34);
	CHECK_INT(get64_at(fd, spare + 24), LARGE_SECTORS - 1);
	CHECK_INT(get64_at(fd, spare + 32), 1);
	CHECK_INT(pread(fd, sector, sizeof(sector), spare), sizeof(sector));
	CHECK_INT(gpt_header_parse(sector, sizeof(sector), &header), 0);
	CHECK_INT(header.table_lba, LARGE_SECTORS - 33);
	CHECK_INT(pread(fd, first, sizeof(first), TABLE), sizeof(first));
	CHECK_INT(pread(fd, second, sizeof(second), (off_t)header.table_lba * 512), sizeof(second));
	CHECK(!memcmp(first, second, sizeof(first)));
	CHECK_INT(gpt_table_find(second, sizeof(second), &header, "Root filesystem", &again), 0);
	/* And that is all of it. */
	CHECK_INT(gpt_grow(fd, 512, LARGE_SECTORS, "Root filesystem", &again), 0);
	CHECK_INT(again.last_lba, p.last_lba);
	close(fd);
	free(disk);
}

TEST(gpt_leaves_room_for_its_second_table)
{
	uint8_t *disk = make_disk();
	int fd = disk_of(disk, 4 * MIB + 32);
	struct gpt_partition p;

	CHECK_INT(gpt_grow(fd, 512, 4 * MIB + 32, "Root filesystem", &p), 1);
	CHECK_INT(p.last_lba, 3 * MIB - 1);
	close(fd);
	free(disk);
}

TEST(gpt_does_not_grow)
{
	uint8_t *disk = make_disk();
	int fd = disk_of(disk, LARGE_SECTORS);
	struct gpt_partition p;

	for (uint64_t sectors = 0; sectors < MIB; sectors += 17)
		CHECK_INT(gpt_grow(fd, 512, sectors, "Root filesystem", &p), 0);
	CHECK_INT(gpt_grow(fd, 512, LARGE_SECTORS, "EFI System", &p), 0);
	CHECK_INT(gpt_grow(fd, 512, LARGE_SECTORS, "Root", &p), -ENOENT);
	close(fd);
	put_entry(disk, 1, "behind it", 60, 61);
	seal(disk);
	fd = disk_of(disk, LARGE_SECTORS);
	CHECK_INT(gpt_grow(fd, 512, LARGE_SECTORS, "Root filesystem", &p), 0);
	CHECK_INT(p.last_lba, 50);
	close(fd);
	disk[TABLE] ^= 1;
	fd = disk_of(disk, LARGE_SECTORS);
	CHECK_INT(gpt_grow(fd, 512, LARGE_SECTORS, "Root filesystem", &p), -EBADMSG);
	close(fd);
	free(disk);
}
