#include "installer/plan.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/strv.h"
#include "installer/questions/questions.h"

static const char *disk_key(const struct answers *answers)
{
	static const char *const keys[] = {[DISK_UNSET] = "disk", [DISK_BY_SERIAL] = "serial", [DISK_BY_ID] = "id",
					   [DISK_BY_NAME] = "name", [DISK_BY_RULE] = "rule"};

	return keys[answers->disk];
}

static const char *disk_value(const struct disk *d, enum disk_choice by)
{
	return by == DISK_BY_SERIAL ? d->serial : by == DISK_BY_ID ? d->id : d->name;
}

const struct disk *plan_named_disk(const struct facts *facts, const struct answers *answers)
{
	bool named = answers->disk != DISK_UNSET && answers->disk != DISK_BY_RULE;

	for (const struct disk *d = facts->disks; named && d; d = d->next) {
		const char *has = disk_value(d, answers->disk);

		if (has && !strcmp(has, answers->disk_value))
			return d;
	}
	return NULL;
}

/* A rule looks at built-in disks only: what can be pulled out is never meant by "the largest". */
static bool rule_considers(const struct disk *d)
{
	return !d->medium && !d->read_only && !d->removable && d->size >= LAYOUT_MINIMUM &&
	       (!d->transport || strcmp(d->transport, "usb"));
}

/* Does `d` do as well as the best, or better? Negative: worse, 0: as well, positive: better. */
static int rule_compare(const char *rule, const struct disk *d, const struct disk *best)
{
	if (!strcmp(rule, "only") || d->size == best->size)
		return 0;
	return (d->size > best->size) == !strcmp(rule, "largest") ? 1 : -1;
}

static size_t match_rule(struct plan *plan, struct strbuf *list)
{
	const char *rule = plan->answers->disk_value;
	size_t found = 0;

	for (const struct disk *d = plan->facts->disks; d; d = d->next) {
		int better = plan->disk ? rule_compare(rule, d, plan->disk) : 1;

		if (!rule_considers(d) || better < 0)
			continue;
		if (better > 0) {
			plan->disk = d;
			strbuf_reset(list);
			found = 0;
		}
		strbuf_printf(list, "%s%s", found++ ? ", " : "", facts_disk_name(plan->arena, d));
	}
	return found;
}

static size_t match_value(struct plan *plan, struct strbuf *list)
{
	size_t found = 0;

	for (const struct disk *d = plan->facts->disks; d; d = d->next) {
		const char *has = disk_value(d, plan->answers->disk);

		if (!has || strcmp(has, plan->answers->disk_value))
			continue;
		strbuf_printf(list, "%s%s", found++ ? ", " : "", facts_disk_name(plan->arena, d));
		plan->disk = d;
	}
	return found;
}

static int choose_disk(struct plan *plan, struct error *err)
{
	const struct answers *answers = plan->answers;
	_cleanup_free_ char *object = answers->disk_line ? xasprintf("%s:%u", answers->file, answers->disk_line)
							 : xstrdup(answers->file);
	_cleanup_strbuf_ struct strbuf list = {0};
	size_t found = answers->disk == DISK_BY_RULE ? match_rule(plan, &list) : match_value(plan, &list);

	if (found > 1)
		return error_set(err, -ENOTUNIQ, object, "choose by 'id' or detach the others; nothing was written",
				 "%zu disks have %s '%s': %s", found, disk_key(answers), answers->disk_value, list.p);
	if (found == 1)
		return 0;
	for (const struct disk *d = plan->facts->disks; d; d = d->next)
		strbuf_printf(&list, "%s%s", list.n ? ", " : "", facts_disk_name(plan->arena, d));
	return error_set(err, -ENODEV, object, "nothing was written", "no disk has %s '%s'; there is: %s",
			 disk_key(answers), answers->disk_value, list.n ? list.p : "no disk at all");
}

/* What may be erased is named, not nodded at. */
static int check_erase(const struct plan *plan, struct error *err)
{
	const char *erase = plan->answers->erase;
	const struct disk *d = plan->disk;

	if (!erase || !strcmp(erase, d->name) || (d->serial && !strcmp(erase, d->serial)) || (d->id && !strcmp(erase, d->id)))
		return 0;
	return error_set(err, -EPERM, facts_disk_name(plan->arena, d), "nothing was written",
			 "chosen, but the answer 'erase' names '%s'", erase);
}

static bool disk_has_label(const struct disk *disk, const char *label)
{
	if (disk->label && !strcmp(disk->label, label))
		return true;
	for (const struct partition *p = disk->partitions; p; p = p->next)
		if (p->label && !strcmp(p->label, label))
			return true;
	return false;
}

/* A mount is somebody's; our own, and what merely stands on the disk (swap, LUKS, LVM, RAID), a step takes down. */
static bool disk_is_held(const struct disk *disk)
{
	return disk->in_use && strstr(disk->in_use, " is mounted on ") &&
	       !strstr(disk->in_use, "mounted on " INSTALL_TARGET);
}

int plan_check_disk(struct arena *a, const struct disk *disk, struct error *err)
{
	const char *name = facts_disk_name(a, disk);

	if (disk->medium)
		return error_set(err, -EBUSY, name, "choose another disk; nothing was written",
				 "the live system runs from this disk");
	if (disk_has_label(disk, ANSWERS_LABEL))
		return error_set(err, -EBUSY, name, "choose another disk; nothing was written",
				 "the volume with the answers is on this disk");
	if (disk->read_only)
		return error_set(err, -EROFS, name, "choose another disk; nothing was written", "read-only");
	if (disk_is_held(disk))
		return error_set(err, -EBUSY, name, "release it first; nothing was written", "in use: %s",
				 disk->in_use);
	return 0;
}

bool plan_has_bios_loader(const struct facts *facts, const struct answers *answers)
{
	return !answers->skip_bootloader && (answers->layout == DISK_WHOLE || facts->firmware == FIRMWARE_BIOS);
}

int plan_check_bios_loader(struct arena *a, const struct facts *facts, const struct answers *answers,
			   const struct disk *disk, const struct layout *layout, struct error *err)
{
	const struct partition *foreign = layout->kind == DISK_BESIDE ? layout_foreign_bios(disk, layout) : NULL;

	if (!foreign || !plan_has_bios_loader(facts, answers))
		return 0;
	/* It embeds itself into the first partition of that type, whoever made it. */
	return error_set(err, -EEXIST, facts_disk_name(a, disk),
			 "start this medium in UEFI mode, or choose another disk; nothing was written",
			 "partition %u holds another system's GRUB for BIOS, which ours would overwrite", foreign->number);
}

/* The machine unlocks its disk with the memory of the installed dom0, not with all it has. */
static void choose_memory(struct plan *plan)
{
	uint64_t mib = plan->facts->memory >> 20;
	uint64_t dom0 = mib / 4 / 64 * 64;

	if (dom0 < 1024)
		dom0 = 1024;
	if (dom0 > 4096)
		dom0 = 4096;
	if (plan->answers->dom0_memory)
		dom0 = plan->answers->dom0_memory;
	plan->dom0_memory = dom0;
	plan->argon2_kib = dom0 / 4 < 512 ? (dom0 / 4) << 10 : 512 << 10;
	/* One gigabyte of key derivation under emulation takes minutes; such a disk protects nothing. */
	if (plan->answers->insecure_test)
		plan->argon2_kib = 32 << 10;
}

static int choose_templates(struct plan *plan, struct error *err)
{
	const char *const *wanted = plan->answers->templates, *const *there = plan->facts->templates;
	_cleanup_strbuf_ struct strbuf list = {0};

	plan->templates = wanted ? wanted : there;
	for (; there && *there; there++)
		strbuf_printf(&list, "%s%s", list.n ? ", " : "", *there);
	if (wanted && !*wanted)
		return error_set(err, -EINVAL, plan->answers->file, "name one of 'templates' or leave the answer out",
				 "qubes are made from a template, and no template is wanted");
	for (; wanted && *wanted; wanted++) {
		if (!list_has(plan->facts->templates, *wanted))
			return error_set(err, -ENOENT, plan->answers->file, "nothing was written",
					 "the medium has no template '%s'; it has: %s", *wanted, list.n ? list.p : "none");
		if (list_has(wanted + 1, *wanted))
			return error_set(err, -EINVAL, plan->answers->file, "nothing was written",
					 "names the template '%s' twice", *wanted);
	}
	return 0;
}

int plan_make(const struct facts *facts, const struct answers *answers, const struct plan_places *places,
	      struct plan *out, struct error *err)
{
	int r;

	*out = (struct plan){
		.arena = arena_new(),
		.facts = facts,
		.answers = answers,
		.places = {.source = INSTALL_SOURCE, .medium = INSTALL_MEDIUM, .target = INSTALL_TARGET},
	};
	if (places)
		out->places = *places;
	verdict_make(facts, out->arena, &out->verdict);
	if ((r = answers_complete(answers, err)) < 0 ||
	    (r = verdict_accepted(&out->verdict, answers->accept_missing, err)) < 0 || (r = choose_disk(out, err)) < 0 ||
	    (r = plan_check_disk(out->arena, out->disk, err)) < 0 || (r = check_erase(out, err)) < 0 ||
	    (r = choose_templates(out, err)) < 0 ||
	    (r = layout_make(out->arena, out->disk, answers->layout, !answers->plain, &out->layout, err)) < 0 ||
	    (r = layout_check(out->arena, out->disk, &out->layout, err)) < 0 ||
	    (r = plan_check_bios_loader(out->arena, facts, answers, out->disk, &out->layout, err)) < 0)
		return r;
	out->root_device = answers->plain ? out->layout.parts[LAYOUT_ROOT].device : "/dev/mapper/" INSTALL_MAPPING;
	choose_memory(out);
	plan_add_steps(out);
	return 0;
}

/* How to reach the disk, and what is about the installation and not about its result. */
static bool is_of_the_way(const char *key)
{
	static const char *const keys[] = {"disk.serial", "disk.id", "disk.rule", "erase", "accept-missing",
					   "after", "unattended", "insecure-test", "report-stick", NULL};

	return list_has(keys, key);
}

void plan_fingerprint(const struct plan *plan, char hex[SHA256_HEX])
{
	_cleanup_strbuf_ struct strbuf text = {0};
	const struct disk *d = plan->disk;

	strbuf_printf(&text, BULKHEAD_VERSION " %s %s %" PRIu64 " %u %" PRIu64 "\n", d->serial ? d->serial : "",
		      d->id ? d->id : "", d->size, plan->layout.luks_sector, plan->dom0_memory);
	for (size_t i = 0; i < LAYOUT_PARTS; i++) {
		const struct layout_part *part = &plan->layout.parts[i];

		strbuf_printf(&text, "%u %" PRIu64 " %" PRIu64 " %s %s\n", part->number, part->start, part->size,
			      part->type, part->name);
	}
	for (const char *const *t = plan->templates; t && *t; t++)
		strbuf_printf(&text, "template %s\n", *t);
	for (const char *const *k = plan->facts->guest_kernels; k && *k; k++)
		strbuf_printf(&text, "kernel %s\n", *k);
	for (const struct question *q = questions(); q->key; q++) {
		_cleanup_strbuf_ struct strbuf value = {0};

		if (!is_of_the_way(q->key) && q->get && q->get(plan->answers, &value))
			strbuf_printf(&text, "%s %s\n", q->key, value.p);
	}
	sha256_hex(text.p, text.n, hex);
}

bool plan_can_undo(const struct plan *plan)
{
	return plan->layout.kind == DISK_BESIDE && !plan->layout.again;
}

void plan_free(struct plan *plan)
{
	arena_free(plan->arena);
	*plan = (struct plan){0};
}
