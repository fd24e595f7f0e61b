/*
 * internal.SuspendPre and SuspendPost: the machine goes to sleep and wakes up (ref/runtime.md 7.2).
 * Running qubes are paused; those that were still before are noted, so that they stay so.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/sys/file.h"
#include "runtime/qubesd/call.h"
#include "runtime/qubesd/hypervisor.h"

enum { LIST_MAX = 1 << 20 };

/* Counts what is still to come. */
struct round {
	struct call *call;
	size_t left;
	bool pausing;
};

struct one {
	struct round *round;
	struct vm *vm;
};

static const char *list_path(struct call *c)
{
	return arena_printf(c->arena, "%s/previously-paused.list", c->d->run_dir);
}

static void step_over(struct round *r)
{
	if (!--r->left)
		call_finish(r->call);
}

static void on_done(void *user, int status, const char *out)
{
	struct one *o = user;
	struct call *c = o->round->call;
	const char *cause;

	if (!hypervisor_answer(c->arena, status, out, &cause)) {
		call_raise(c, "QubesVMError", "%s: %s", o->vm->name, cause);
	} else if (!o->vm->job && o->vm->power != POWER_HALTED) {
		o->vm->power = o->round->pausing ? POWER_SUSPENDED : POWER_RUNNING;
		event_send(c->d, o->vm, o->round->pausing ? "domain-paused" : "domain-unpaused",
			   NULL);
	}
	vm_unref(o->vm);
	step_over(o->round);
}

static bool is_listed(struct blob list, const struct vm *vm)
{
	struct blob line;

	while (blob_token(&list, '\n', &line))
		if (blob_eq_str(line, vm->name))
			return true;
	return false;
}

/* All qubes in that state but the listed ones. */
static enum call_result run_all(struct call *c, bool pausing, enum vm_power from, struct blob but)
{
	struct round *r = arena_alloc(c->arena, sizeof(*r));

	/* One more, so that it does not end while it is being begun. */
	*r = (struct round){.call = c, .left = 1, .pausing = pausing};
	for (size_t i = 0; i < c->d->model->n_vms; i++) {
		struct vm *vm = c->d->model->vms[i];
		struct one *o = arena_alloc(c->arena, sizeof(*o));

		if (vm->class == CLASS_ADMIN || vm->power != from || vm->job || is_listed(but, vm))
			continue;
		*o = (struct one){r, vm_ref(vm)};
		r->left++;
		if (hypervisor_run(c->d, pausing ? "pause" : "unpause", vm->domid,
				   (struct blob){0}, on_done, o, NULL) < 0)
			on_done(o, -1, "");
	}
	step_over(r);
	return CALL_LATER;
}

static enum call_result suspend_pre(struct call *c)
{
	_cleanup_strbuf_ struct strbuf names = {0};
	int r;

	/* A second time without SuspendPost in between: what is suspended by now was running. */
	if (access(list_path(c), F_OK) == 0)
		return run_all(c, true, POWER_RUNNING, (struct blob){0});
	for (size_t i = 0; i < c->d->model->n_vms; i++)
		if (c->d->model->vms[i]->power == POWER_PAUSED || c->d->model->vms[i]->power == POWER_SUSPENDED)
			strbuf_printf(&names, "%s\n", c->d->model->vms[i]->name);
	r = mkdir_parents(AT_FDCWD, list_path(c), 0755);
	if (r == 0)
		r = write_atomic(AT_FDCWD, list_path(c), strbuf_blob(&names).p, names.n, 0640);
	if (r < 0)
		return call_raise(c, "QubesException", "%s: %s", list_path(c), strerror(-r));
	return run_all(c, true, POWER_RUNNING, (struct blob){0});
}

/* A qubesd that was started in between takes all for paused: the list tells which were. */
static enum call_result suspend_post(struct call *c)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	bool noted = read_file(AT_FDCWD, list_path(c), LIST_MAX, &text) == 0;

	for (size_t i = 0; noted && i < c->d->model->n_vms; i++) {
		struct vm *vm = c->d->model->vms[i];

		if (vm->power == POWER_PAUSED && !is_listed(strbuf_blob(&text), vm))
			vm->power = POWER_SUSPENDED;
	}
	unlink(list_path(c));
	return run_all(c, false, POWER_SUSPENDED, strbuf_blob(&text));
}

const struct call_method suspend_methods[] = {
	{"internal.SuspendPre", TO_DOM0, suspend_pre},
	{"internal.SuspendPost", TO_DOM0, suspend_post},
	{0},
};
