#include <string.h>

#include "common/base/alloc.h"
#include "installer/account.h"
#include "installer/localise.h"
#include "installer/run.h"

static int check_file(const char *folder, const char *path, const char *remedy, struct error *err)
{
	_cleanup_free_ char *full = xasprintf("%s/%s", folder, path);

	if (access(full, R_OK))
		return error_set(err, -errno, full, remedy, "missing on the medium");
	return 0;
}

static bool same_partitions(const struct disk *was, const struct disk *now)
{
	const struct partition *a = was->partitions, *b = now->partitions;

	for (; a && b; a = a->next, b = b->next)
		if (a->number != b->number || a->start != b->start || a->size != b->size)
			return false;
	return !a && !b;
}

/* The disk was described minutes ago; what stands there now must be the same one. */
static int check_disk(const struct plan *plan, struct error *err)
{
	struct facts_source from = {"/sys", "/proc", "/dev", plan->places.medium, false};
	_cleanup_facts_ struct facts now = {0};
	const struct disk *was = plan->disk;
	int r = facts_gather(&from, &now, err);

	if (r < 0)
		return r;
	for (const struct disk *d = now.disks; d; d = d->next) {
		if (strcmp(d->name, was->name))
			continue;
		if (plan->layout.kind == DISK_BESIDE && !same_partitions(was, d))
			break;
		if (d->size == was->size && !d->serial == !was->serial &&
		    (!d->serial || !strcmp(d->serial, was->serial)) && !d->medium)
			return 0;
		break;
	}
	return error_set(err, -ENODEV, was->device, "start again; nothing was written",
			 "this is no longer the disk that was chosen, as it was then");
}

static int check_names(const struct plan *plan, struct error *err)
{
	const char *source = plan->places.source;
	const struct answers *a = plan->answers;
	int r = a->keymap ? localise_check(source, "keymap", a->keymap, err) : 0;

	if (r == 0 && a->locale)
		r = localise_check(source, "locale", a->locale, err);
	if (r == 0 && a->timezone)
		r = localise_check(source, "timezone", a->timezone, err);
	return r;
}

int step_check(struct install *in, struct error *err)
{
	static const char *const system[] = {"etc/passwd", "etc/shadow", "etc/group", "usr/lib/bulkhead/grub.cfg", NULL};
	static const char rewrite[] = "write the stick again; nothing was written";
	const struct plan *plan = in->plan;
	int r = check_disk(plan, err);

	if (r == 0)
		r = boot_files_check(plan, err);
	for (const char *const *s = system; r == 0 && *s; s++)
		r = check_file(plan->places.source, *s, rewrite, err);
	if (r == 0)
		r = images_check(plan, err);
	if (r == 0)
		r = check_names(plan, err);
	if (r == 0)
		r = account_check_free(plan->places.source, plan->answers->user, err);
	return r;
}
