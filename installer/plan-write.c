/* The plan as people read it: what becomes of each partition, and every step with its commands. */
#include <inttypes.h>
#include <string.h>

#include "installer/plan.h"

/* What a signature that libblkid found means to whoever erases it. */
static const char *meaning(const char *type)
{
	static const struct {
		const char *type, *text;
	} known[] = {
		{"ambiguous", ": more than one kind of content at once"},
		{"crypto_LUKS", ": an encrypted volume of Linux; once erased nobody can open it again"},
		{"BitLocker", ": an encrypted volume of Windows; once erased nobody can open it again"},
		{"linux_raid_member", ": part of a RAID; its other disks lose this one"},
		{"isw_raid_member", ": part of a firmware RAID; its other disks lose this one"},
		{"ddf_raid_member", ": part of a firmware RAID; its other disks lose this one"},
		{"LVM2_member", ": part of LVM; volumes that span other disks are lost with it"},
		{"zfs_member", ": part of a ZFS pool; its other disks may be lost with it"},
		{"btrfs", ": if its file system spans other disks, those are lost with it"},
		{"iso9660", ": an installation medium or an image of a CD"},
	};

	for (size_t i = 0; type && i < sizeof(known) / sizeof(*known); i++)
		if (!strcmp(known[i].type, type))
			return known[i].text;
	return "";
}

void plan_command_text(const char *const *argv, struct strbuf *out)
{
	for (const char *const *a = argv; *a; a++) {
		bool plain = **a && !strpbrk(*a, " \t\"'\\$`*?[]#~;&|<>(){}");

		strbuf_add_str(out, a == argv ? "" : " ");
		strbuf_printf(out, plain ? "%s" : "'%s'", *a);
	}
}

/* A kept one, one of ours that is used again, or one that goes with the old table. */
static const char *fate(const struct plan *plan, const struct partition *p)
{
	for (size_t i = 0; i < LAYOUT_PARTS && plan->layout.again; i++)
		if (plan->layout.parts[i].number == p->number)
			return "left by an unfinished installation";
	return plan->layout.kind == DISK_BESIDE ? "kept" : "deleted";
}

void plan_write(const struct plan *plan, struct strbuf *out)
{
	const struct disk *disk = plan->disk;

	strbuf_printf(out, "Target: %s, %s\n", facts_disk_name(plan->arena, disk), disk->device);
	if (disk->table || disk->type)
		strbuf_printf(out, "  has: %s%s%s%s%s\n", disk->table ? disk->table : "",
			      disk->table ? " partition table" : "", disk->table && disk->type ? " and " : "",
			      disk->type ? disk->type : "", meaning(disk->type));
	for (const struct partition *p = disk->partitions; p; p = p->next)
		strbuf_printf(out, "  %s: partition %u, %s, %s%s%s%s\n", fate(plan, p), p->number,
			      facts_size(plan->arena, p->size), p->type ? p->type : "nothing recognised",
			      p->label ? ", label " : "", p->label ? p->label : "", meaning(p->type));
	for (size_t i = 0; i < LAYOUT_PARTS; i++) {
		const struct layout_part *part = &plan->layout.parts[i];

		strbuf_printf(out, "  made and formatted: partition %u, %s, %s: %s\n", part->number,
			      facts_size(plan->arena, part->size), part->name, part->format);
	}
	if (plan->answers->plain)
		strbuf_add_str(out, "  NOT ENCRYPTED: " ANSWERS_NO_ENCRYPTION "\n");
	for (size_t i = 0; i < plan->n_steps; i++) {
		const struct step *s = &plan->steps[i];

		strbuf_printf(out, "\n%2zu. %s: %s\n", i + 1, s->id, s->sentence);
		if (s->no_return)
			strbuf_add_str(out, "      (no way back from here)\n");
		for (const char *const *c = s->calls; c && *c; c++)
			strbuf_printf(out, "      %s\n", *c);
		for (const char *const *const *c = s->commands; c && *c; c++) {
			strbuf_add_str(out, "      $ ");
			plan_command_text(*c, out);
			strbuf_add_char(out, '\n');
		}
	}
}
