/* What is on a disk, for whoever is about to lose it. */
#include <string.h>

#include "installer/facts/facts.h"

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

void facts_write_signature(const struct disk *disk, struct strbuf *out)
{
	if (disk->table || disk->type)
		strbuf_printf(out, "  has: %s%s%s%s%s\n", disk->table ? disk->table : "",
			      disk->table ? " partition table" : "", disk->table && disk->type ? " and " : "",
			      disk->type ? disk->type : "", meaning(disk->type));
}

void facts_write_partition(struct arena *a, const struct partition *p, const char *fate, struct strbuf *out)
{
	strbuf_printf(out, "  %s%spartition %u, %s, %s%s%s%s\n", fate, *fate ? ": " : "", p->number, facts_size(a, p->size),
		      p->type ? p->type : "nothing recognised", p->label ? ", label " : "", p->label ? p->label : "",
		      meaning(p->type));
}
