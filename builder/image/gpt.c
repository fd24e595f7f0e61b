#include "builder/image/gpt.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/base/le.h"
#include "common/sys/file.h"

const uint8_t gpt_type_linux[16] = {0x0f, 0xc6, 0x3d, 0xaf, 0x84, 0x83, 0x47, 0x72,
				    0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4};

enum {
	ENTRY_BYTES = 128,
	TABLE_BYTES = ENTRY_BYTES * GPT_ENTRIES,
	TABLE_SECTORS = TABLE_BYTES / GPT_SECTOR,
	LABEL_CHARS = 36,
};

/* UEFI 5.3.2, Table 5-5. All little endian; reserved fields are zero. */
struct header {
	char signature[8];
	uint32_t revision, header_size, crc, reserved;
	uint64_t here, other, first_usable, last_usable;
	uint8_t disk[16];
	uint64_t table;
	uint32_t entries, entry_size, table_crc;
} __attribute__((packed));

/* UEFI 5.3.3, Table 5-6. */
struct entry {
	uint8_t type[16], uuid[16];
	uint64_t first, last, attributes;
	uint16_t label[LABEL_CHARS];
} __attribute__((packed));

_Static_assert(sizeof(struct header) == 92, "size of a GPT header");
_Static_assert(sizeof(struct entry) == ENTRY_BYTES, "size of a GPT entry");

/* CRC-32 of ISO 3309, the polynomial bit-reversed. */
static uint32_t crc32(const void *data, size_t n)
{
	const uint8_t *p = data;
	uint32_t crc = ~0U;

	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0);
	}
	return ~crc;
}

/* The first three groups of a GUID lie on disk as little-endian numbers. */
static void guid_to_disk(const uint8_t text[16], uint8_t disk[16])
{
	static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

	for (int i = 0; i < 16; i++)
		disk[i] = text[order[i]];
}

void gpt_usable(uint64_t disk_size, uint64_t *start, uint64_t *size)
{
	uint64_t end = disk_size / GPT_ALIGN * GPT_ALIGN;

	if (disk_size - end < (TABLE_SECTORS + 1) * GPT_SECTOR)
		end = end > GPT_ALIGN ? end - GPT_ALIGN : 0;
	*start = GPT_ALIGN;
	*size = end > GPT_ALIGN ? end - GPT_ALIGN : 0;
}

static bool fits(const struct gpt_partition *parts, size_t i, uint64_t first, uint64_t last)
{
	const struct gpt_partition *p = &parts[i];
	uint64_t end;

	if (p->start % GPT_SECTOR || p->size % GPT_SECTOR || !p->size ||
	    __builtin_add_overflow(p->start, p->size, &end))
		return false;
	if (p->start / GPT_SECTOR < first || (end - 1) / GPT_SECTOR > last)
		return false;
	for (size_t k = 0; k < i; k++)
		if (p->start < parts[k].start + parts[k].size && parts[k].start < end)
			return false;
	if (strlen(p->label) > LABEL_CHARS)
		return false;
	for (const char *c = p->label; *c; c++)
		if (*c < ' ' || *c > '~')
			return false;
	return true;
}

/* UEFI 5.2.3: one partition of type EE over the whole disk, or as much of it as 32 bits say. */
static int write_mbr(int fd, uint64_t sectors)
{
	uint8_t mbr[GPT_SECTOR] = {0};

	memcpy(mbr + 446, (const uint8_t[]){0, 0x00, 0x02, 0x00, 0xee, 0xff, 0xff, 0xff}, 8);
	le32_put(mbr + 454, 1);
	le32_put(mbr + 458, sectors > UINT32_MAX ? UINT32_MAX : (uint32_t)(sectors - 1));
	mbr[510] = 0x55;
	mbr[511] = 0xaa;
	return pwrite_all(fd, mbr, sizeof(mbr), 0);
}

static int write_header(int fd, struct header h, uint64_t here, uint64_t other, uint64_t table)
{
	uint8_t sector[GPT_SECTOR] = {0};

	h.here = htole64(here);
	h.other = htole64(other);
	h.table = htole64(table);
	h.crc = 0;
	h.crc = htole32(crc32(&h, sizeof(h)));
	memcpy(sector, &h, sizeof(h));
	return pwrite_all(fd, sector, sizeof(sector), here * GPT_SECTOR);
}

int gpt_write(int fd, uint64_t disk_size, const uint8_t disk_uuid[16],
	      const struct gpt_partition *parts, size_t n)
{
	struct entry *table _cleanup_free_ = xcalloc(GPT_ENTRIES, sizeof(*table));
	uint64_t sectors = disk_size / GPT_SECTOR, first = 2 + TABLE_SECTORS,
		 last = sectors - 2 - TABLE_SECTORS;
	struct header h = {
		.signature = "EFI PART",
		.revision = htole32(0x10000),
		.header_size = htole32(sizeof(h)),
		.first_usable = htole64(first),
		.last_usable = htole64(last),
		.entries = htole32(GPT_ENTRIES),
		.entry_size = htole32(ENTRY_BYTES),
	};
	int r;

	if (n > GPT_ENTRIES)
		return -E2BIG;
	if (sectors < 2 * first)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		struct entry *e = &table[i];

		if (!fits(parts, i, first, last))
			return -EINVAL;
		guid_to_disk(parts[i].type, e->type);
		guid_to_disk(parts[i].uuid, e->uuid);
		e->first = htole64(parts[i].start / GPT_SECTOR);
		e->last = htole64((parts[i].start + parts[i].size) / GPT_SECTOR - 1);
		for (size_t k = 0; parts[i].label[k]; k++)
			e->label[k] = htole16((uint16_t)parts[i].label[k]);
	}
	guid_to_disk(disk_uuid, h.disk);
	h.table_crc = htole32(crc32(table, TABLE_BYTES));
	r = write_mbr(fd, sectors);
	if (!r)
		r = pwrite_all(fd, table, TABLE_BYTES, 2 * GPT_SECTOR);
	if (!r)
		r = write_header(fd, h, 1, sectors - 1, 2);
	if (!r)
		r = pwrite_all(fd, table, TABLE_BYTES, (last + 1) * GPT_SECTOR);
	if (!r)
		r = write_header(fd, h, sectors - 1, 1, last + 1);
	return r;
}
