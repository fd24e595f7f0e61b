#include "installer/table.h"

#include <libfdisk/libfdisk.h>
#include <string.h>

#include "common/sys/clock.h"

static int add_partition(struct fdisk_context *cxt, const struct layout_part *part)
{
	unsigned long sector = fdisk_get_sector_size(cxt);
	struct fdisk_partition *pa = fdisk_new_partition();
	struct fdisk_parttype *type =
		fdisk_label_parse_parttype(fdisk_get_label(cxt, NULL), part->type);
	int r = pa && type ? 0 : -EINVAL;

	if (r == 0 && !(r = fdisk_partition_set_partno(pa, part->number - 1)) &&
	    !(r = fdisk_partition_set_start(pa, part->start / sector)) &&
	    !(r = fdisk_partition_set_size(pa, part->size / sector)) &&
	    !(r = fdisk_partition_size_explicit(pa, 1)) && !(r = fdisk_partition_set_name(pa, part->name)) &&
	    !(r = fdisk_partition_set_type(pa, type)) && !(r = fdisk_add_partition(cxt, pa, NULL)))
		/* What lay here before must not be found by anyone again. */
		r = fdisk_wipe_partition(cxt, part->number - 1, 1);
	if (type)
		fdisk_unref_parttype(type);
	fdisk_unref_partition(pa);
	return r;
}

/* The numbers were free when the plan was made. */
static int check_free(struct fdisk_context *cxt, const char *device, const struct layout *layout, struct error *err)
{
	if (!fdisk_is_labeltype(cxt, FDISK_DISKLABEL_GPT))
		return error_set(err, -EINVAL, device, "start again; nothing was written", "has no GPT any more");
	for (size_t i = 0; i < LAYOUT_PARTS; i++)
		if (fdisk_is_partition_used(cxt, layout->parts[i].number - 1))
			return error_set(err, -EEXIST, device, "start again; nothing was written",
					 "partition %u is there by now", layout->parts[i].number);
	return 0;
}

/* Has this partition number its planned place? */
static bool is_there(struct fdisk_context *cxt, const struct layout_part *part)
{
	unsigned long sector = fdisk_get_sector_size(cxt);
	struct fdisk_partition *pa = NULL;
	bool there = !fdisk_get_partition(cxt, part->number - 1, &pa) && fdisk_partition_has_start(pa) &&
		     fdisk_partition_has_size(pa) && fdisk_partition_get_start(pa) * sector == part->start &&
		     fdisk_partition_get_size(pa) * sector == part->size && fdisk_partition_get_name(pa) &&
		     !strcmp(fdisk_partition_get_name(pa), part->name);

	fdisk_unref_partition(pa);
	return there;
}

static bool all_there(struct fdisk_context *cxt, const struct layout *layout)
{
	for (size_t i = 0; i < LAYOUT_PARTS; i++)
		if (!is_there(cxt, &layout->parts[i]))
			return false;
	return true;
}

static int check_table(struct fdisk_context *cxt, const char *device, const struct layout *layout, struct error *err)
{
	int r;

	fdisk_disable_dialogs(cxt, 1);
	r = fdisk_assign_device(cxt, device, 1);
	if (r < 0)
		return error_errno(err, r, device, "cannot open");
	if (!fdisk_is_labeltype(cxt, FDISK_DISKLABEL_GPT) || !all_there(cxt, layout))
		r = error_set(err, -ESTALE, device, "start anew", "the partitions are not those that were made");
	fdisk_deassign_device(cxt, 1);
	return r;
}

static int list_parts(struct fdisk_context *cxt, const char *device, struct fdisk_table **list, struct error *err)
{
	int r = fdisk_get_partitions(cxt, list);

	return r < 0 ? error_errno(err, r, device, "cannot read the partition table") : 0;
}

/*
 * Lets the kernel read the new table, and lets go of the disk. While other systems' partitions on it are in use the kernel
 * refuses that, but can be told what changed since `before` (NULL: all of it is new).
 */
static int take_over(struct fdisk_context *cxt, const char *device, struct fdisk_table *before, struct error *err)
{
	int r;

	/* udev may be probing the disk just now, which makes the kernel refuse, too. */
	for (unsigned tries = 0; (r = fdisk_reread_partition_table(cxt)) && tries < 25; tries++)
		sleep_ms(200);
	if (r && before)
		r = fdisk_reread_changes(cxt, before);
	fdisk_unref_table(before);
	if (r)
		return error_set(err, -EBUSY, device, "close what uses it, or restart",
				 "the kernel does not take over the new partition table");
	r = fdisk_deassign_device(cxt, 0);
	return r < 0 ? error_errno(err, r, device, "cannot write") : 0;
}

static int write_table(struct fdisk_context *cxt, const char *device, const struct layout *layout, struct error *err)
{
	struct fdisk_table *before = NULL;
	int r;

	fdisk_disable_dialogs(cxt, 1);
	r = fdisk_assign_device(cxt, device, 0);
	if (r < 0)
		return error_errno(err, r, device, "cannot open for writing");
	if (layout->again && all_there(cxt, layout))
		return 0;
	if (layout->kind == DISK_BESIDE &&
	    ((r = check_free(cxt, device, layout, err)) < 0 || (r = list_parts(cxt, device, &before, err)) < 0))
		return r;
	if (layout->kind == DISK_WHOLE && !(r = fdisk_enable_wipe(cxt, 1)))
		r = fdisk_create_disklabel(cxt, "gpt");
	for (size_t i = 0; r == 0 && i < LAYOUT_PARTS; i++)
		r = add_partition(cxt, &layout->parts[i]);
	if (r == 0)
		r = fdisk_write_disklabel(cxt);
	if (r < 0) {
		fdisk_unref_table(before);
		return error_errno(err, r, device, "cannot write the partition table");
	}
	return take_over(cxt, device, before, err);
}

/* The partitions that were added beside others; what the others are is not touched. */
static int remove_parts(struct fdisk_context *cxt, const char *device, const struct layout *layout, struct error *err)
{
	struct fdisk_table *before = NULL;
	int r;

	fdisk_disable_dialogs(cxt, 1);
	r = fdisk_assign_device(cxt, device, 0);
	if (r < 0)
		return error_errno(err, r, device, "cannot open for writing");
	r = list_parts(cxt, device, &before, err);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < LAYOUT_PARTS; i++)
		if (is_there(cxt, &layout->parts[i]))
			r = fdisk_delete_partition(cxt, layout->parts[i].number - 1);
	if (r == 0)
		r = fdisk_write_disklabel(cxt);
	if (r < 0) {
		fdisk_unref_table(before);
		return error_errno(err, r, device, "cannot write the partition table");
	}
	return take_over(cxt, device, before, err);
}

static int with_context(const char *device, const struct layout *layout, struct error *err,
			int (*work)(struct fdisk_context *, const char *, const struct layout *, struct error *))
{
	struct fdisk_context *cxt = fdisk_new_context();
	int r;

	if (!cxt)
		return error_errno(err, -ENOMEM, device, "libfdisk");
	r = work(cxt, device, layout, err);
	fdisk_unref_context(cxt);
	return r;
}

int table_write(const char *device, const struct layout *layout, struct error *err)
{
	return with_context(device, layout, err, write_table);
}

int table_check(const char *device, const struct layout *layout, struct error *err)
{
	return with_context(device, layout, err, check_table);
}

int table_remove(const char *device, const struct layout *layout, struct error *err)
{
	return with_context(device, layout, err, remove_parts);
}
