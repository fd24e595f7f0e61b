#include "runtime/qubesd/volume.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/base/alloc.h"
#include "runtime/qubesd/child.h"
#include "runtime/qubesd/property.h"

struct storage_volume *volume_of(struct call *c, struct volume **entry)
{
	const char *name = call_argument(c);
	struct property_ctx ctx = {c->d->model, c->target, c->arena};
	_cleanup_error_ struct error err = {0};
	struct storage *s = arena_alloc(c->arena, sizeof(*s));

	*entry = vm_volume(c->target, name);
	if (!*entry) {
		call_raise(c, "QubesVolumeNotFoundError", "No such volume: '%s:%s'",
			   c->target->name, name);
		return NULL;
	}
	if (storage_plan(c->d->model, c->target, c->d->root, property_value(&ctx, "kernel"),
			 c->arena, s, &err) < 0) {
		call_raise_error(c, "StoragePoolException", &err);
		return NULL;
	}
	return &s->volumes[*entry - c->target->volumes];
}

struct storage_volume *volume_changeable(struct call *c, struct volume **entry)
{
	struct storage_volume *v = volume_of(c, entry);

	if (!v)
		return NULL;
	if (!v->clean || !v->save_on_stop)
		call_raise(c, "StoragePoolException", "%s:%s: has no data of its own to change",
			   c->target->name, v->name);
	else if (!call_halted(c))
		return NULL;
	else if (c->target->changing)
		call_raise(c, "QubesVolumeCopyInUseError", "A volume of '%s' is being changed",
			   c->target->name);
	/* A crash of the machine left what the qube wrote last; it would come back at the start. */
	else if (access(v->dirty, F_OK) == 0)
		call_raise(c, "StoragePoolException",
			   "%s:%s: was not stopped properly; start and shut down the qube first",
			   c->target->name, v->name);
	return c->exception ? NULL : v;
}

bool volume_importing(struct vm *vm)
{
	_cleanup_close_ int fd = vm->importing ? open(vm->import_file, O_RDONLY | O_CLOEXEC) : -1;

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
		return true;
	if (fd >= 0)
		unlink(vm->import_file);
	free(take_ptr(vm->importing));
	free(take_ptr(vm->import_file));
	return false;
}

bool volume_outdated(const struct vm *vm, const struct storage_volume *v)
{
	struct statx_timestamp taken = {.tv_sec = vm->start_time}, committed;
	struct statx snapshot, source;

	if (!v->snap_on_start || statx(AT_FDCWD, v->source, 0, STATX_CTIME, &source) < 0)
		return false;
	/* The snapshot is older than the start of the qube, and than this qubesd. */
	if (statx(AT_FDCWD, v->dirty, 0, STATX_BTIME, &snapshot) == 0 && snapshot.stx_mask & STATX_BTIME)
		taken = snapshot.stx_btime;
	committed = source.stx_ctime;
	return committed.tv_sec > taken.tv_sec ||
	       (committed.tv_sec == taken.tv_sec && committed.tv_nsec > taken.tv_nsec);
}

struct operation {
	struct call *call;
	const struct storage_volume *volume;
	volume_work_fn work;
	const void *arg;
	volume_done_fn done;
	void *user;
};

static int work(const void *arg, struct error *err)
{
	const struct operation *op = arg;

	return op->work(op->volume, op->arg, err);
}

static void on_done(void *user, int status, const char *out)
{
	struct operation *op = user;
	struct call *c = op->call;
	const char *failure = status == 0 ? NULL : *out ? out : "the operation failed";

	c->target->changing--;
	if (failure)
		call_raise(c, "StoragePoolException", "%s:%s: %s", c->target->name,
			   op->volume->name, failure);
	if (op->done)
		op->done(c, op->user, failure);
	else
		call_finish(c);
}

enum call_result volume_run(struct call *c, const struct storage_volume *v, volume_work_fn work_fn,
			    const void *arg, volume_done_fn done, void *user)
{
	struct operation *op = arena_alloc(c->arena, sizeof(*op));
	int r;

	*op = (struct operation){c, v, work_fn, arg, done, user};
	r = child_start(c->d->event, &(struct child_spec){.work = work, .arg = op}, on_done, op,
			NULL);
	if (r < 0)
		return call_raise(c, "StoragePoolException", "%s:%s: %s", c->target->name, v->name,
				  strerror(-r));
	c->target->changing++;
	return CALL_LATER;
}

bool volume_set_size(struct call *c, const char *volume, uint64_t size)
{
	struct volume *v = vm_volume(c->target, volume);

	if (!v)
		return false;
	kv_set(&v->attrs, "size",
	       arena_printf(c->arena, "%llu", (unsigned long long)size));
	return call_save(c);
}

void volume_size_from_file(struct call *c, const struct storage_volume *v)
{
	struct stat st;

	if (stat(v->clean, &st) == 0)
		volume_set_size(c, v->name, (uint64_t)st.st_size);
}
