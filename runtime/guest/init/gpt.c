#include "runtime/guest/init/gpt.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/base/le.h"
#include "common/sys/file.h"

enum {
	HEADER_SIZE_MIN = 92,
	ENTRY_SIZE_MIN = 128,
	NAME_OFFSET = 56, /* 36 UTF-16 units */
	NAME_UNITS = 36,
	SECTOR_MAX = 4096,
	ALIGN = 1 << 20,
	/* UEFI 5.3.2 and 5.3.3: fields of the header, and one of an entry, that grow. */
	HEADER_SIZE = 12,
	HEADER_CRC = 16,
	HEADER_HERE = 24,
	HEADER_OTHER = 32,
	HEADER_LAST_USABLE = 48,
	HEADER_TABLE = 72,
	HEADER_TABLE_CRC = 88,
	ENTRY_LAST = 40,
};

/* CRC-32 of IEEE 802.3, four bits a step: small, and fast enough for 16 KiB. */
static uint32_t crc32_add(uint32_t crc, const uint8_t *p, size_t n)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};

	for (; n; n--, p++) {
		crc ^= *p;
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return crc;
}

int gpt_header_parse(const uint8_t *sector, size_t n, struct gpt_header *header)
{
	static const uint8_t zero[4];

	if (n < HEADER_SIZE_MIN || memcmp(sector, "EFI PART", 8))
		return -ENODEV;

	uint32_t size = le32_at(sector + HEADER_SIZE);
	if (size < HEADER_SIZE_MIN || size > n)
		return -EBADMSG;

	/* The header's own checksum counts as zero in it. */
	uint32_t crc = crc32_add(~0u, sector, HEADER_CRC);
	crc = crc32_add(crc, zero, sizeof(zero));
	crc = ~crc32_add(crc, sector + 20, size - 20);
	if (crc != le32_at(sector + HEADER_CRC))
		return -EBADMSG;

	*header = (struct gpt_header){
		.table_lba = le64_at(sector + HEADER_TABLE),
		.entries = le32_at(sector + 80),
		.entry_size = le32_at(sector + 84),
		.table_crc = le32_at(sector + HEADER_TABLE_CRC),
	};
	if (header->table_lba < 2 || header->table_lba > INT64_MAX / SECTOR_MAX - GPT_TABLE_MAX)
		return -EBADMSG;
	if (header->entry_size < ENTRY_SIZE_MIN || header->entry_size % 8 || !header->entries)
		return -EBADMSG;
	if (header->entry_size > GPT_TABLE_MAX ||
	    header->entries > GPT_TABLE_MAX / header->entry_size)
		return -EBADMSG;
	return 0;
}

static bool entry_used(const uint8_t *entry)
{
	static const uint8_t unused[16];

	return memcmp(entry, unused, sizeof(unused)) != 0;
}

static bool entry_has_name(const uint8_t *entry, const char *name)
{
	const uint8_t *unit = entry + NAME_OFFSET;
	size_t n = strlen(name);

	if (n > NAME_UNITS)
		return false;
	for (size_t i = 0; i < n; i++, unit += 2)
		if (unit[0] != (uint8_t)name[i] || unit[1])
			return false;
	return n == NAME_UNITS || (!unit[0] && !unit[1]);
}

int gpt_table_find(const uint8_t *table, size_t n, const struct gpt_header *header,
		   const char *name, struct gpt_partition *partition)
{
	if (n < (size_t)header->entries * header->entry_size)
		return -EBADMSG;
	if (~crc32_add(~0u, table, (size_t)header->entries * header->entry_size) !=
	    header->table_crc)
		return -EBADMSG;

	for (uint32_t i = 0; i < header->entries; i++) {
		const uint8_t *entry = table + (size_t)i * header->entry_size;

		if (!entry_used(entry) || !entry_has_name(entry, name))
			continue;
		*partition = (struct gpt_partition){
			.number = i + 1,
			.first_lba = le64_at(entry + 32),
			.last_lba = le64_at(entry + ENTRY_LAST),
		};
		return partition->first_lba <= partition->last_lba ? 0 : -EBADMSG;
	}
	return -ENOENT;
}

static int read_at(int fd, uint64_t offset, uint8_t *buf, size_t n)
{
	while (n) {
		ssize_t got = pread(fd, buf, n, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			return -ENODEV; /* too short to hold a table */
		buf += got;
		offset += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

/* `sector`, the first header, and its table, which is the caller's to free in any case, are what the partition was found in. */
static int find(int fd, unsigned sector_size, const char *name, uint8_t sector[SECTOR_MAX], struct gpt_header *header,
		uint8_t **table, struct gpt_partition *partition)
{
	size_t n;
	int r;

	if (sector_size < 512 || sector_size > SECTOR_MAX)
		return -EINVAL;
	r = read_at(fd, sector_size, sector, sector_size);
	if (!r)
		r = gpt_header_parse(sector, sector_size, header);
	if (r < 0)
		return r;
	n = (size_t)header->entries * header->entry_size;
	*table = xmalloc(n);
	r = read_at(fd, header->table_lba * sector_size, *table, n);
	if (r < 0)
		return r == -ENODEV ? -EBADMSG : r;
	return gpt_table_find(*table, n, header, name, partition);
}

int gpt_find(int fd, unsigned sector_size, const char *name, struct gpt_partition *partition)
{
	_cleanup_free_ uint8_t *table = NULL;
	uint8_t sector[SECTOR_MAX];
	struct gpt_header header;

	return find(fd, sector_size, name, sector, &header, &table, partition);
}

/* One of the two headers, with its table. They are beside each other and reach the disk together. */
static int write_copy(int fd, unsigned sector_size, uint8_t *sector, const uint8_t *table, size_t n, uint64_t here, uint64_t other,
		      uint64_t table_lba)
{
	int r;

	le64_put(sector + HEADER_HERE, here);
	le64_put(sector + HEADER_OTHER, other);
	le64_put(sector + HEADER_TABLE, table_lba);
	le32_put(sector + HEADER_CRC, 0);
	le32_put(sector + HEADER_CRC, ~crc32_add(~0u, sector, le32_at(sector + HEADER_SIZE)));
	r = pwrite_all(fd, table, n, table_lba * sector_size);
	if (!r)
		r = pwrite_all(fd, sector, sector_size, here * sector_size);
	return !r && fsync(fd) < 0 ? -errno : r;
}

static bool is_last(const uint8_t *table, const struct gpt_header *header, const struct gpt_partition *partition)
{
	for (uint32_t i = 0; i < header->entries; i++) {
		const uint8_t *entry = table + (size_t)i * header->entry_size;

		if (entry_used(entry) && le64_at(entry + ENTRY_LAST) > partition->last_lba)
			return false;
	}
	return true;
}

int gpt_grow(int fd, unsigned sector_size, uint64_t sectors, const char *name, struct gpt_partition *partition)
{
	_cleanup_free_ uint8_t *table = NULL;
	uint8_t sector[SECTOR_MAX];
	struct gpt_header header;
	uint64_t table_sectors, end;
	size_t n;
	int r = find(fd, sector_size, name, sector, &header, &table, partition);

	if (r < 0)
		return r;
	n = (size_t)header.entries * header.entry_size;
	table_sectors = (n + sector_size - 1) / sector_size;
	if (sectors < table_sectors + 2)
		return 0;
	/* Behind it are the second table and, in the last sector, its header. */
	end = (sectors - 1 - table_sectors) / (ALIGN / sector_size) * (ALIGN / sector_size);
	if (!end || end - 1 <= partition->last_lba || !is_last(table, &header, partition))
		return 0;
	partition->last_lba = end - 1;
	le64_put(table + (size_t)(partition->number - 1) * header.entry_size + ENTRY_LAST, end - 1);
	le64_put(sector + HEADER_LAST_USABLE, sectors - 2 - table_sectors);
	le32_put(sector + HEADER_TABLE_CRC, ~crc32_add(~0u, table, n));
	r = write_copy(fd, sector_size, sector, table, n, sectors - 1, 1, sectors - 1 - table_sectors);
	if (!r)
		r = write_copy(fd, sector_size, sector, table, n, 1, sectors - 1, header.table_lba);
	return r < 0 ? r : 1;
}
