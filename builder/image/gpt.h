/*
 * Writes a GUID partition table (UEFI specification 2.10, chapter 5) with its protective MBR and
 * its backup at the end. Nothing in it is random: all identifiers come from the caller. 512-byte sectors.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { GPT_SECTOR = 512, GPT_ALIGN = 1 << 20, GPT_ENTRIES = 128 };

/* Types, in the order they are written as text. */
extern const uint8_t gpt_type_linux[16]; /* 0FC63DAF-8483-4772-8E79-3D69D8477DE4 */

struct gpt_partition {
	uint64_t start, size; /* bytes, multiples of GPT_SECTOR */
	const uint8_t *type;  /* 16 bytes */
	uint8_t uuid[16];
	const char *label; /* ASCII, at most 36 characters */
};

/* First byte and number of bytes that partitions may take on a disk of this size, aligned to GPT_ALIGN. */
void gpt_usable(uint64_t disk_size, uint64_t *start, uint64_t *size);

/*
 * Writes the tables of a disk of `disk_size` bytes; what lies between them stays. -EINVAL: a
 * partition lies outside of the usable part or on another one, or has a bad label; -E2BIG: more
 * than GPT_ENTRIES.
 */
int gpt_write(int fd, uint64_t disk_size, const uint8_t disk_uuid[16],
	      const struct gpt_partition *parts, size_t n);
