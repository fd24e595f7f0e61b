#include "installer/facts/source.h"

#include <blkid/blkid.h>
#include <string.h>

#include "common/base/alloc.h"

static const char *probe_value(struct arena *a, blkid_probe probe, const char *name)
{
	const char *value;
	size_t n;

	if (blkid_probe_lookup_value(probe, name, &value, &n))
		return NULL;
	return facts_clean(a, (struct blob){value, n});
}

/*
 * Signatures only: no mount, no file system code of the kernel ever sees what a foreign system left. Two signatures
 * at once (an ISO that is also a disk image, a reused partition) are told as "ambiguous".
 */
static void probe_device(struct arena *a, const char *device, const char **table, const char **type,
			 const char **label, const char **uuid)
{
	blkid_probe probe = blkid_new_probe_from_filename(device);
	int r;

	if (!probe)
		return;
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID);
	if (table)
		blkid_probe_enable_partitions(probe, 1);
	r = blkid_do_safeprobe(probe);
	if (r == -2)
		*type = "ambiguous";
	if (r == 0) {
		*type = probe_value(a, probe, "TYPE");
		*label = probe_value(a, probe, "LABEL");
		*uuid = probe_value(a, probe, "UUID");
		if (table)
			*table = probe_value(a, probe, "PTTYPE");
	}
	blkid_free_probe(probe);
}

/*
 * What each partition is for and is called, as the GPT says. The kernel knows the names too, but not of partitions that
 * it was told of one by one, because others of the disk were in use.
 */
static void read_gpt(struct arena *a, struct disk *d)
{
	blkid_probe probe = blkid_new_probe_from_filename(d->device);
	blkid_partlist list = probe ? blkid_probe_get_partitions(probe) : NULL;

	for (struct partition *p = d->partitions; list && p; p = p->next) {
		blkid_partition entry = blkid_partlist_get_partition_by_partno(list, (int)p->number);
		const char *type = entry ? blkid_partition_get_type_string(entry) : NULL;
		const char *name = entry ? blkid_partition_get_name(entry) : NULL;

		if (type)
			p->gpt_type = facts_clean(a, blob_of(type));
		if (name)
			p->name = facts_clean(a, blob_of(name));
	}
	blkid_free_probe(probe);
}

void facts_signatures(const struct facts_source *from, struct facts *facts)
{
	(void)from;
	for (struct disk *d = facts->disks; d; d = d->next) {
		probe_device(facts->arena, d->device, &d->table, &d->type, &d->label, &d->uuid);
		if (d->table && !strcmp(d->table, "gpt"))
			read_gpt(facts->arena, d);
		for (struct partition *p = d->partitions; p; p = p->next) {
			_cleanup_free_ char *device = disk_partition_device(d->device, p->number);

			probe_device(facts->arena, device, NULL, &p->type, &p->label, &p->uuid);
		}
	}
}
