/*
 * Where the partitions go: pure arithmetic, in bytes, on MiB boundaries so that every sector size fits.
 *
 *   bh-bios   1 MiB     BIOS boot: GRUB's core image for BIOS
 *   BH-ESP    512 MiB   EFI system partition, vfat
 *   bh-boot   1 GiB     /boot, ext4
 *   bh-luks   the rest  LUKS2 holding Btrfs; bh-root, Btrfs itself, where nothing is encrypted
 *
 * On a whole disk they have the numbers 4, 1, 2 and 3. Beside other systems they lie in the largest free space of a GPT
 * disk and have the numbers that are free.
 */
#pragma once

#include <stdint.h>

#include "common/base/arena.h"
#include "installer/answers.h"
#include "installer/facts/facts.h"

enum layout_role { LAYOUT_BIOS, LAYOUT_ESP, LAYOUT_BOOT, LAYOUT_ROOT, LAYOUT_PARTS };

struct layout_part {
	unsigned number;
	uint64_t start, size; /* bytes */
	const char *name;     /* in the GPT */
	const char *type;     /* GPT type GUID */
	const char *device;   /* "/dev/vda1" */
	const char *format;   /* what it is made into, in words */
};

struct layout {
	enum disk_layout kind;
	bool again; /* beside: the partitions are there, from a try that was cut short */
	struct layout_part parts[LAYOUT_PARTS]; /* by role, in the order they lie on the disk */
	uint32_t luks_sector; /* encryption sector: 4096 where the disk works in 4 KiB, else 512; 0: not encrypted */
};

/* The smallest space that holds dom0, its templates and something of one's own. */
#define LAYOUT_MINIMUM (8ULL << 30)

/* The disk's partition with the GPT name that ours has in this role, encrypted or not; NULL: none. */
const struct partition *layout_find(const struct disk *disk, enum layout_role role, bool encrypted);
/* Another system's partition for GRUB's image that starts with BIOS, which GRUB would take for its own; NULL: none. */
const struct partition *layout_foreign_bios(const struct disk *disk, const struct layout *layout);
/*
 * -ENOSPC with the figures when the disk, or what is free on it, is too small; -EINVAL when nothing can be put beside
 * what the disk holds. Strings live in the arena.
 */
int layout_make(struct arena *a, const struct disk *disk, enum disk_layout kind, bool encrypted, struct layout *out,
		struct error *err);
/*
 * Does a layout, whichever way it came about, fit the disk and what stays on it, and is each part large enough for
 * what goes in? -EINVAL naming what is wrong.
 */
int layout_check(struct arena *a, const struct disk *disk, const struct layout *layout, struct error *err);
