#include "installer/layout.h"

#define MIB (1ULL << 20)

/* UEFI 2.10 table 5.7, the Discoverable Partitions Specification, and GRUB's own type for BIOS. */
static const struct {
	unsigned number;
	uint64_t size; /* 0: the rest */
	const char *name, *type;
} wanted[LAYOUT_PARTS] = {
	[LAYOUT_BIOS] = {4, MIB, "bh-bios", "21686148-6449-6E6F-744E-656564454649"},
	[LAYOUT_ESP] = {1, 512 * MIB, "BH-ESP", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"},
	[LAYOUT_BOOT] = {2, 1024 * MIB, "bh-boot", "BC13C2FF-59E6-4262-A352-B275FD6F7172"},
	[LAYOUT_LUKS] = {3, 0, "bh-luks", "CA7D7CCB-63ED-4C53-861C-1742536059CC"},
};

int layout_make(struct arena *a, const struct disk *disk, struct layout *out, struct error *err)
{
	/* The first MiB holds the table, the last one its copy. */
	uint64_t at = MIB, end = (disk->size / MIB - 1) * MIB;

	if (disk->size < LAYOUT_MINIMUM)
		return error_set(err, -ENOSPC, facts_disk_name(a, disk), "use a larger disk",
				 "too small: at least %s are needed", facts_size(a, LAYOUT_MINIMUM));
	for (size_t i = 0; i < LAYOUT_PARTS; i++) {
		char *device = disk_partition_device(disk->device, wanted[i].number);

		out->parts[i] = (struct layout_part){
			.number = wanted[i].number,
			.start = at,
			.size = wanted[i].size ? wanted[i].size : end - at,
			.name = wanted[i].name,
			.type = wanted[i].type,
			.device = arena_strdup(a, device),
		};
		free(device);
		at += out->parts[i].size;
	}
	out->luks_sector = disk->logical == 4096 || disk->physical == 4096 ? 4096 : 512;
	return 0;
}
