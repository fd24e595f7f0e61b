/* Disks and firmware variables of a machine, as files in the run's folder. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "qa/machine.h"

static const char *const ovmf_vars[] = {"/usr/share/OVMF/OVMF_VARS_4M.fd", "/usr/share/OVMF/OVMF_VARS.fd", NULL};

static int make_disk(const struct machine_disk *d, const char *dir, const char *from, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("%s/%s.qcow2", dir, d->id);
	_cleanup_free_ char *size = xasprintf("%llu", (unsigned long long)d->bytes);
	_cleanup_free_ char *base = from ? xasprintf("%s/%s.qcow2", from, d->id) : NULL;

	if (base)
		return process_check((const char *const[]){"qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2",
							   "-b", base, path, NULL},
				     err);
	return process_check((const char *const[]){"qemu-img", "create", "-q", "-f", "qcow2", path, size, NULL}, err);
}

static int make_firmware_variables(const char *dir, const char *from, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("%s/uefi-vars.fd", dir);
	_cleanup_free_ char *earlier = from ? xasprintf("%s/uefi-vars.fd", from) : NULL;
	_cleanup_strbuf_ struct strbuf vars = {0};
	const char *source = earlier;
	int r = source ? 0 : machine_find_firmware(ovmf_vars, &source, err);

	if (r < 0)
		return r;
	r = read_file(AT_FDCWD, source, 16 << 20, &vars);
	if (r == 0)
		r = write_file(AT_FDCWD, path, vars.p, vars.n, 0644);
	return r < 0 ? error_errno(err, r, source, "cannot copy the firmware's variables") : 0;
}

int machine_prepare(const struct machine *m, const char *dir, const char *from, struct error *err)
{
	int r = 0;

	for (const struct machine_disk *d = m->disks; r == 0 && d; d = d->next)
		r = make_disk(d, dir, from, err);
	if (r == 0 && m->uefi)
		r = make_firmware_variables(dir, from, err);
	return r;
}

/* The folder of a checkpoint holds what an earlier run's folder holds: disks and variables. */
static char *checkpoint_folder(const char *dir, const char *name)
{
	return xasprintf("%s/checkpoint-%s", dir, name);
}

static int move_file(const char *dir, const char *to, const char *name, struct error *err)
{
	_cleanup_free_ char *old = xasprintf("%s/%s", dir, name);
	_cleanup_free_ char *new = xasprintf("%s/%s", to, name);

	return rename(old, new) ? error_errno(err, -errno, old, "cannot be kept") : 0;
}

int machine_checkpoint(const struct machine *m, const char *dir, const char *name, struct error *err)
{
	_cleanup_free_ char *kept = checkpoint_folder(dir, name);
	int r = mkdir(kept, 0755) ? -errno : 0;

	if (r < 0)
		return error_errno(err, r, name, "cannot make the checkpoint");
	for (const struct machine_disk *d = m->disks; r == 0 && d; d = d->next) {
		_cleanup_free_ char *file = xasprintf("%s.qcow2", d->id);

		r = move_file(dir, kept, file, err);
	}
	if (r == 0 && m->uefi)
		r = move_file(dir, kept, "uefi-vars.fd", err);
	return r < 0 ? r : machine_prepare(m, dir, kept, err);
}

int machine_restore(const struct machine *m, const char *dir, const char *name, struct error *err)
{
	_cleanup_free_ char *kept = checkpoint_folder(dir, name);

	if (access(kept, R_OK))
		return error_set(err, -ENOENT, name, NULL, "no such checkpoint in this run");
	return machine_prepare(m, dir, kept, err);
}
