/*
 * Where the partitions go: pure arithmetic, in bytes, on MiB boundaries so that every sector size fits.
 *
 *   number 4   1 MiB     BIOS boot: GRUB's core image for BIOS; before the others so that 1 to 3 stay what people see
 *   number 1   512 MiB   EFI system partition, vfat, label BH-ESP
 *   number 2   1 GiB     /boot, ext4, label bh-boot
 *   number 3   the rest  LUKS2 holding Btrfs
 */
#pragma once

#include <stdint.h>

#include "common/base/arena.h"
#include "installer/facts/facts.h"

enum layout_role { LAYOUT_BIOS, LAYOUT_ESP, LAYOUT_BOOT, LAYOUT_LUKS, LAYOUT_PARTS };

struct layout_part {
	unsigned number;
	uint64_t start, size; /* bytes */
	const char *name;     /* in the GPT */
	const char *type;     /* GPT type GUID */
	const char *device;   /* "/dev/vda1" */
};

struct layout {
	struct layout_part parts[LAYOUT_PARTS]; /* by role, in the order they lie on the disk */
	uint32_t luks_sector;			/* encryption sector: 4096 where the disk works in 4 KiB, else 512 */
};

/* The smallest disk that holds dom0, its templates and something of one's own. */
#define LAYOUT_MINIMUM (8ULL << 30)

/* -ENOSPC with the figures when the disk is too small. Strings live in the arena. */
int layout_make(struct arena *a, const struct disk *disk, struct layout *out, struct error *err);
