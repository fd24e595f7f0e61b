/*
 * Finds a partition by its name in a GUID partition table (UEFI specification 2.10, 5.3), and makes it larger with its disk.
 *
 * The guest's /init has no udev, so it must name the kernel's partition device itself. The table
 * lies on a disk that the qube can write: everything read from it is checked before it is used, and
 * both checksums must hold.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* What a qube's root is called. */
#define ROOT_PARTITION "Root filesystem"

/* Larger tables than this (512 entries of 128 bytes) are refused. */
#define GPT_TABLE_MAX 65536

struct gpt_header {
	uint64_t table_lba;
	uint32_t entries, entry_size, table_crc;
};

struct gpt_partition {
	unsigned number; /* from 1, as in the kernel's device names */
	uint64_t first_lba, last_lba;
};

/*
 * Checks the sector at LBA 1. Returns 0; -ENODEV when it bears no GPT signature; -EBADMSG when it
 * is damaged or describes a table that is out of bounds.
 */
int gpt_header_parse(const uint8_t *sector, size_t n, struct gpt_header *header);

/*
 * Looks through `n` bytes of the table. Returns 0 and the first partition whose name is `name`
 * (ASCII), -ENOENT when there is none, -EBADMSG when checksum, size or the extent of that partition
 * are wrong.
 */
int gpt_table_find(const uint8_t *table, size_t n, const struct gpt_header *header,
		   const char *name, struct gpt_partition *partition);

/* Both of the above on a disk with sectors of `sector_size` bytes; also -errno of reading. */
int gpt_find(int fd, unsigned sector_size, const char *name, struct gpt_partition *partition);

/*
 * Lets the partition reach as far as a disk of `sectors` sectors allows, to a whole MiB. The second table goes to the end of
 * the disk before the first one is changed. 1 and the partition as it is now; 0: there is no room, or another partition lies
 * behind it; otherwise as gpt_find(), and -errno of writing.
 */
int gpt_grow(int fd, unsigned sector_size, uint64_t sectors, const char *name, struct gpt_partition *partition);
