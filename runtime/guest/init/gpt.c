#include "runtime/guest/init/gpt.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"

enum {
	HEADER_SIZE_MIN = 92,
	ENTRY_SIZE_MIN = 128,
	NAME_OFFSET = 56, /* 36 UTF-16 units */
	NAME_UNITS = 36,
	SECTOR_MAX = 4096,
};

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get64(const uint8_t *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

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

	uint32_t size = get32(sector + 12);
	if (size < HEADER_SIZE_MIN || size > n)
		return -EBADMSG;

	/* The header's own checksum counts as zero in it. */
	uint32_t crc = crc32_add(~0u, sector, 16);
	crc = crc32_add(crc, zero, sizeof(zero));
	crc = ~crc32_add(crc, sector + 20, size - 20);
	if (crc != get32(sector + 16))
		return -EBADMSG;

	*header = (struct gpt_header){
		.table_lba = get64(sector + 72),
		.entries = get32(sector + 80),
		.entry_size = get32(sector + 84),
		.table_crc = get32(sector + 88),
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
	static const uint8_t unused[16];

	if (n < (size_t)header->entries * header->entry_size)
		return -EBADMSG;
	if (~crc32_add(~0u, table, (size_t)header->entries * header->entry_size) !=
	    header->table_crc)
		return -EBADMSG;

	for (uint32_t i = 0; i < header->entries; i++) {
		const uint8_t *entry = table + (size_t)i * header->entry_size;

		if (!memcmp(entry, unused, sizeof(unused)) || !entry_has_name(entry, name))
			continue;
		*partition = (struct gpt_partition){
			.number = i + 1,
			.first_lba = get64(entry + 32),
			.last_lba = get64(entry + 40),
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

int gpt_find(int fd, unsigned sector_size, const char *name, struct gpt_partition *partition)
{
	uint8_t sector[SECTOR_MAX];
	struct gpt_header header;

	if (sector_size < 512 || sector_size > SECTOR_MAX)
		return -EINVAL;
	int r = read_at(fd, sector_size, sector, sector_size);
	if (!r)
		r = gpt_header_parse(sector, sector_size, &header);
	if (r < 0)
		return r;

	size_t n = (size_t)header.entries * header.entry_size;
	_cleanup_free_ uint8_t *table = xmalloc(n);

	r = read_at(fd, header.table_lba * sector_size, table, n);
	if (r < 0)
		return r == -ENODEV ? -EBADMSG : r;
	return gpt_table_find(table, n, &header, name, partition);
}
