/* installer/verdict/iommu-table.c: any bytes are read to their end and no further; a unit is never counted from nothing. */
#include <stdlib.h>
#include <string.h>

#include "installer/verdict/iommu-table.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Exactly as much memory as the table has, so that a read beyond it is seen. */
	char *copy = malloc(size ? size : 1);
	struct iommu_table table;
	int r;

	memcpy(copy, data, size);
	r = iommu_table_read((struct blob){copy, size}, &table);
	if ((r < 0 && (table.units || !table.problem)) || table.units > size / DRHD_SIZE)
		abort();
	free(copy);
	return 0;
}
