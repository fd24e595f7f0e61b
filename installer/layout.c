#include "installer/layout.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"

#define MIB (1ULL << 20)
/* LAYOUT_MINIMUM without the small partitions and the tables at both ends. */
#define ROOT_MINIMUM (LAYOUT_MINIMUM - 2048 * MIB)

enum { NUMBER_MAX = 128 };

/* UEFI 2.10 table 5.7, the Discoverable Partitions Specification, and GRUB's own type for BIOS. */
static const struct {
	unsigned number;
	uint64_t size; /* 0: the rest */
	const char *name, *type, *format;
} wanted[LAYOUT_PARTS] = {
	[LAYOUT_BIOS] = {4, MIB, "bh-bios", "21686148-6449-6E6F-744E-656564454649", "GRUB for BIOS"},
	[LAYOUT_ESP] = {1, 512 * MIB, "BH-ESP", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "vfat"},
	[LAYOUT_BOOT] = {2, 1024 * MIB, "bh-boot", "BC13C2FF-59E6-4262-A352-B275FD6F7172", "ext4"},
	[LAYOUT_ROOT] = {3, 0, "bh-luks", "CA7D7CCB-63ED-4C53-861C-1742536059CC", "LUKS2 with Btrfs"},
};
static const char plain_type[] = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709";

static int compare_starts(const void *a, const void *b)
{
	const struct partition *const *x = a, *const *y = b;

	return ((*x)->start > (*y)->start) - ((*x)->start < (*y)->start);
}

/* The disk's partitions by where they lie; allocated. */
static const struct partition **by_start(const struct disk *disk, size_t *n)
{
	const struct partition **list;

	*n = 0;
	for (const struct partition *p = disk->partitions; p; p = p->next)
		(*n)++;
	list = xmalloc((*n + 1) * sizeof(*list));
	*n = 0;
	for (const struct partition *p = disk->partitions; p; p = p->next)
		list[(*n)++] = p;
	qsort(list, *n, sizeof(struct partition *), compare_starts);
	return list;
}

static void largest_gap(const struct disk *disk, uint64_t *start, uint64_t *end)
{
	/* The first MiB holds the table, the last one its copy. */
	uint64_t at = MIB, last = (disk->size / MIB - 1) * MIB;
	size_t n;
	_cleanup_free_ const struct partition **list = by_start(disk, &n);

	*start = *end = 0;
	for (size_t i = 0; i <= n; i++) {
		uint64_t next = i < n ? list[i]->start / MIB * MIB : last;
		uint64_t behind = i < n ? (list[i]->start + list[i]->size + MIB - 1) / MIB * MIB : last;

		if (next > at && next - at > *end - *start) {
			*start = at;
			*end = next;
		}
		if (behind > at)
			at = behind;
	}
}

static unsigned next_number(const struct disk *disk, unsigned number)
{
	const struct partition *p;

	do {
		number++;
		for (p = disk->partitions; p && p->number != number; p = p->next)
			;
	} while (p);
	return number;
}

static void number_beside(const struct disk *disk, struct layout *out)
{
	static const enum layout_role order[] = {LAYOUT_ESP, LAYOUT_BOOT, LAYOUT_ROOT, LAYOUT_BIOS};
	unsigned number = 0;

	for (size_t i = 0; i < LAYOUT_PARTS; i++)
		out->parts[order[i]].number = number = next_number(disk, number);
}

static const char *part_name(enum layout_role role, bool encrypted)
{
	return role == LAYOUT_ROOT && !encrypted ? "bh-root" : wanted[role].name;
}

const struct partition *layout_find(const struct disk *disk, enum layout_role role, bool encrypted)
{
	for (const struct partition *p = disk->partitions; p; p = p->next)
		if (p->name && !strcmp(p->name, part_name(role, encrypted)))
			return p;
	return NULL;
}

const struct partition *layout_foreign_bios(const struct disk *disk, const struct layout *layout)
{
	for (const struct partition *p = disk->partitions; p; p = p->next)
		if (p->gpt_type && !strcasecmp(p->gpt_type, wanted[LAYOUT_BIOS].type) &&
		    !(layout->again && p->number == layout->parts[LAYOUT_BIOS].number))
			return p;
	return NULL;
}

/* All of a try that was cut short are there, of the sizes they are made with. */
static bool find_earlier(const struct disk *disk, bool encrypted, struct layout *out)
{
	for (size_t i = 0; i < LAYOUT_PARTS; i++) {
		const struct partition *p = layout_find(disk, (enum layout_role)i, encrypted);

		if (!p || (wanted[i].size && p->size != wanted[i].size))
			return false;
		out->parts[i].number = p->number;
		out->parts[i].start = p->start;
		out->parts[i].size = p->size;
	}
	return true;
}

static int check_beside(struct arena *a, const struct disk *disk, uint64_t room, struct error *err)
{
	const char *name = facts_disk_name(a, disk);

	if (!disk->table || strcmp(disk->table, "gpt"))
		return error_set(err, -EINVAL, name, "use the whole disk, or convert its table",
				 "has %s%s; only beside the partitions of a GPT something can be put",
				 disk->table ? disk->table : "no", " partition table");
	if (disk->type)
		return error_set(err, -EINVAL, name, "use the whole disk",
				 "carries %s as a whole; a table beside that cannot be trusted", disk->type);
	if (room < LAYOUT_MINIMUM)
		return error_set(err, -ENOSPC, name, "make room by shrinking or deleting a partition of the other system",
				 "the largest free space is %s: at least %s are needed", facts_size(a, room),
				 facts_size(a, LAYOUT_MINIMUM));
	return 0;
}

/* Sizes and places by role; numbers as on a whole disk. */
static void place_parts(struct layout *out, uint64_t at, uint64_t end)
{
	for (size_t i = 0; i < LAYOUT_PARTS; i++) {
		out->parts[i] = (struct layout_part){
			.number = wanted[i].number,
			.start = at,
			.size = wanted[i].size ? wanted[i].size : end - at,
			.name = wanted[i].name,
			.type = wanted[i].type,
			.format = wanted[i].format,
		};
		at += out->parts[i].size;
	}
}

static void leave_plain(struct layout_part *root)
{
	root->name = part_name(LAYOUT_ROOT, false);
	root->type = plain_type;
	root->format = "Btrfs, not encrypted";
}

int layout_make(struct arena *a, const struct disk *disk, enum disk_layout kind, bool encrypted, struct layout *out,
		struct error *err)
{
	uint64_t at = MIB, end = (disk->size / MIB - 1) * MIB;
	int r;

	*out = (struct layout){.kind = kind};
	out->again = kind == DISK_BESIDE && disk->unfinished && find_earlier(disk, encrypted, out);
	if (disk->size < LAYOUT_MINIMUM)
		return error_set(err, -ENOSPC, facts_disk_name(a, disk), "use a larger disk",
				 "too small: at least %s are needed", facts_size(a, LAYOUT_MINIMUM));
	if (kind == DISK_BESIDE && !out->again) {
		largest_gap(disk, &at, &end);
		r = check_beside(a, disk, end - at, err);
		if (r < 0)
			return r;
	}
	place_parts(out, at, end);
	if (out->again)
		find_earlier(disk, encrypted, out);
	if (encrypted)
		out->luks_sector = disk->logical == 4096 || disk->physical == 4096 ? 4096 : 512;
	else
		leave_plain(&out->parts[LAYOUT_ROOT]);
	if (kind == DISK_BESIDE && !out->again)
		number_beside(disk, out);
	for (size_t i = 0; i < LAYOUT_PARTS; i++) {
		_cleanup_free_ char *device = disk_partition_device(disk->device, out->parts[i].number);

		out->parts[i].device = arena_strdup(a, device);
	}
	return 0;
}

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

static int check_place(const struct disk *disk, const char *name, const struct layout_part *part, uint64_t least,
		       struct error *err)
{
	if (!part->number || part->number > NUMBER_MAX)
		return error_set(err, -EINVAL, name, "use the whole disk", "no partition number is left for %s",
				 part->name);
	if (part->start % MIB || part->start < MIB || part->size > disk->size - MIB ||
	    part->start > disk->size - MIB - part->size)
		return error_set(err, -EINVAL, name, NULL, "%s would not lie on the disk", part->name);
	if (part->size < least)
		return error_set(err, -ENOSPC, name, "make more room", "%s would be too small", part->name);
	return 0;
}

static int check_kept(const struct disk *disk, const char *name, const struct layout_part *part, bool again,
		      struct error *err)
{
	for (const struct partition *p = disk->partitions; p; p = p->next)
		if (again && part->number == p->number && part->start == p->start && part->size == p->size)
			continue;
		else if (part->number == p->number || overlap(part->start, part->size, p->start, p->size))
			return error_set(err, -EINVAL, name, NULL, "%s would overlap partition %u, which stays",
					 part->name, p->number);
	return 0;
}

int layout_check(struct arena *a, const struct disk *disk, const struct layout *layout, struct error *err)
{
	const char *name = facts_disk_name(a, disk);
	int r = 0;

	for (size_t i = 0; r == 0 && i < LAYOUT_PARTS; i++) {
		const struct layout_part *part = &layout->parts[i];

		r = check_place(disk, name, part, wanted[i].size ? wanted[i].size : ROOT_MINIMUM, err);
		for (size_t k = 0; r == 0 && k < i; k++)
			if (part->number == layout->parts[k].number ||
			    overlap(part->start, part->size, layout->parts[k].start, layout->parts[k].size))
				r = error_set(err, -EINVAL, name, NULL, "%s and %s would overlap", part->name,
					      layout->parts[k].name);
		if (r == 0 && layout->kind == DISK_BESIDE)
			r = check_kept(disk, name, part, layout->again, err);
	}
	return r;
}
