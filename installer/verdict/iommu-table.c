#include "installer/verdict/iommu-table.h"

#include <errno.h>
#include <stdint.h>

enum {
	ACPI_HEADER = 36,
	TABLE_HEADER = 48, /* DMAR: width, flags, reserved; IVRS: IVinfo, reserved */
	DMAR_FLAGS = 37,
	DMAR_INTR_REMAP = 1,
	DMAR_DRHD = 0,
	DRHD_SIZE = 16,
	ENTRY_BASE = 8, /* where both DRHD and IVHD keep the unit's address */
	IVHD_SIZE = 24,
};

static uint64_t get(struct blob b, size_t at, size_t n)
{
	uint64_t value = 0;

	while (n--)
		value = value << 8 | (unsigned char)b.p[at + n];
	return value;
}

static void complain(struct iommu_table *t, const char *problem)
{
	if (!t->problem)
		t->problem = problem;
}

static void read_entry(struct blob entry, unsigned type, struct iommu_table *out)
{
	/* IVHD comes in three lengths; a unit described twice has the same address in both. */
	bool unit = out->intel ? type == DMAR_DRHD : type == 0x10 || type == 0x11 || type == 0x40;
	bool first = out->intel || type == 0x10 || !out->units;

	if (!unit)
		return;
	if (entry.n < (out->intel ? DRHD_SIZE : IVHD_SIZE))
		complain(out, "an entry is too short for what it says it is");
	else if (!get(entry, ENTRY_BASE, 8))
		complain(out, "a remapping unit has no address");
	else if (first)
		out->units++;
}

static void read_entries(struct blob rest, struct iommu_table *out)
{
	while (rest.n) {
		unsigned type = 0;
		size_t n = 0;

		if (rest.n >= 4) {
			type = (unsigned)get(rest, 0, out->intel ? 2 : 1);
			n = (size_t)get(rest, 2, 2);
		}
		if (n < 4) {
			complain(out, rest.n < 4 ? "bytes are left behind the last entry"
						 : "an entry has no length, what follows cannot be read");
			return;
		}
		if (n > rest.n) {
			complain(out, "an entry reaches beyond the end of the table");
			return;
		}
		read_entry((struct blob){rest.p, n}, type, out);
		rest = (struct blob){rest.p + n, rest.n - n};
	}
}

int iommu_table_read(struct blob table, struct iommu_table *out)
{
	size_t length;
	unsigned char sum = 0;

	*out = (struct iommu_table){0};
	out->intel = blob_has_prefix(table, "DMAR") || blob_has_prefix(table, "RMAD");
	if (!out->intel && !blob_has_prefix(table, "IVRS")) {
		complain(out, "the table does not begin with its name");
		return -EBADMSG;
	}
	if (table.n < TABLE_HEADER) {
		complain(out, "the table is shorter than its header");
		return -EBADMSG;
	}
	length = (size_t)get(table, 4, 4);
	if (length < TABLE_HEADER || length > table.n)
		complain(out, "the length in the header is wrong");
	else
		table.n = length;
	/* Renaming keeps the sum: DMAR and RMAD have the same letters. */
	for (size_t i = 0; i < table.n; i++)
		sum = (unsigned char)(sum + (unsigned char)table.p[i]);
	if (sum)
		complain(out, "the checksum is wrong");
	out->remapping = out->intel ? get(table, DMAR_FLAGS, 1) & DMAR_INTR_REMAP : true;
	read_entries((struct blob){table.p + TABLE_HEADER, table.n - TABLE_HEADER}, out);
	if (!out->units) {
		out->remapping = false;
		complain(out, "the table describes no remapping unit");
	}
	return 0;
}
