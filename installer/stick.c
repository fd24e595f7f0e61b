#include "installer/stick.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"

#define STICK_FOLDER "/run/bulkhead/stick"

struct volume {
	char device[128];
	const char *type;
	size_t found;
	bool labelled;
};

static bool can_hold(const char *type)
{
	return type && (!strcmp(type, "vfat") || !strcmp(type, "exfat") || !strcmp(type, "ext4"));
}

static void consider(struct volume *v, bool usb, const char *device, const char *type, const char *label)
{
	bool labelled = label && !strcmp(label, STICK_LABEL);

	if (!can_hold(type) || (label && !strcmp(label, ANSWERS_LABEL)) || (!usb && !labelled) ||
	    (v->labelled && !labelled))
		return;
	if (labelled && !v->labelled)
		v->found = 0;
	v->labelled = labelled;
	v->found++;
	v->type = type;
	snprintf(v->device, sizeof(v->device), "%s", device);
}

/* Sticks come and go: looked for when it is needed, not among the facts of the beginning. */
static struct volume find_volume(const struct plan *plan, const struct facts *now)
{
	struct volume v = {.found = 0};

	for (const struct disk *d = now->disks; d; d = d->next) {
		bool usb = d->transport && !strcmp(d->transport, "usb");

		if (d->medium || d->read_only || d->in_use || !strcmp(d->name, plan->disk->name))
			continue;
		if (!d->partitions)
			consider(&v, usb, d->device, d->type, d->label);
		for (const struct partition *p = d->partitions; p; p = p->next) {
			_cleanup_free_ char *device = disk_partition_device(d->device, p->number);

			consider(&v, usb, device, p->type, p->label);
		}
	}
	return v;
}

static int write_there(const struct volume *v, const char *name, struct blob text, struct error *err)
{
	_cleanup_free_ char *path = xasprintf(STICK_FOLDER "/%s", name);
	int r = mkdir_p(AT_FDCWD, STICK_FOLDER, 0700);

	if (r == 0 && mount(v->device, STICK_FOLDER, v->type, MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		r = -errno;
	if (r < 0)
		return error_errno(err, r, v->device, "cannot mount");
	r = write_atomic(AT_FDCWD, path, text.p, text.n, 0644);
	if (umount2(STICK_FOLDER, UMOUNT_NOFOLLOW) && r == 0)
		r = -errno;
	return r < 0 ? error_errno(err, r, v->device, "cannot write") : 0;
}

int stick_save(const struct plan *plan, const char *name, struct blob text, char **where, struct error *err)
{
	const struct facts_source from = {"/sys", "/proc", "/dev", plan->places.medium, false};
	_cleanup_facts_ struct facts now = {0};
	struct volume v;
	int r = facts_gather(&from, &now, err);

	if (r < 0)
		return r;
	v = find_volume(plan, &now);
	if (!v.found)
		return error_set(err, -ENODEV, "stick", "plug in one with FAT or ext4 and try again", "there is none");
	if (v.found > 1)
		return error_set(err, -ENOTUNIQ, "stick", "leave one, or give one the label " STICK_LABEL,
				 "there are %zu volumes", v.found);
	r = write_there(&v, name, text, err);
	if (r == 0)
		*where = xasprintf("%s on %s", name, v.device);
	return r;
}
