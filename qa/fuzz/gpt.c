/*
 * runtime/guest/init/gpt.c: header and table from anywhere. The checksums are also made right, or
 * the parts behind them would never be reached.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/guest/init/gpt.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_one(const uint8_t *sector, const uint8_t *table, size_t n)
{
	struct gpt_header header;
	struct gpt_partition partition;

	if (gpt_header_parse(sector, 512, &header) < 0)
		return;
	if ((uint64_t)header.entries * header.entry_size > GPT_TABLE_MAX)
		abort();
	if (gpt_table_find(table, n, &header, "Root filesystem", &partition) == 0 &&
	    (!partition.number || partition.number > header.entries ||
	     partition.first_lba > partition.last_lba))
		abort();
}

static void put(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t sector[512];

	if (size < sizeof(sector))
		return 0;

	/* Exactly as much memory as the table has, so that a read beyond it is seen. */
	size_t n = size - sizeof(sector);
	uint8_t *table = malloc(n ? n : 1);

	memcpy(table, data + sizeof(sector), n);
	memcpy(sector, data, sizeof(sector));
	try_one(sector, table, n);

	uint64_t used = (uint64_t)le32_at(sector + 80) * le32_at(sector + 84);
	if (used <= n) {
		put(sector + 88, ~crc32_add(~0u, table, (size_t)used));
		put(sector + 12, 92);
		put(sector + 16, 0);
		put(sector + 16, ~crc32_add(~0u, sector, 92));
		try_one(sector, table, n);
	}
	free(table);
	return 0;
}
