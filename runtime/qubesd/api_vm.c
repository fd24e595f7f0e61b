/* Methods about qubes as a whole: list, remove, start, stop; api_create.c makes them. */
#include <stdio.h>
#include <string.h>

#include "runtime/qubesd/lifecycle.h"
#include "runtime/qubesd/vmset.h"
#include "runtime/qubesd/volume.h"

static void list_one(struct call *c, const struct vm *vm)
{
	strbuf_printf(&c->out, "%s class=%s state=%s uuid=%s\n", vm->name, vm_class_name(vm->class),
		      vm_power_name(vm->power), vm->uuid);
}

static enum call_result vm_list(struct call *c)
{
	if (c->target->class != CLASS_ADMIN) {
		list_one(c, c->target);
		return CALL_DONE;
	}
	for (size_t i = 0; i < c->d->model->n_vms; i++)
		list_one(c, c->d->model->vms[i]);
	return CALL_DONE;
}

static void on_removed(void *user, const char *failure)
{
	struct call *c = user;

	if (failure)
		call_raise(c, "StoragePoolException", "%s", failure);
	call_finish(c);
}

static enum call_result vm_remove(struct call *c)
{
	struct vm *vm = c->target;
	_cleanup_error_ struct error err = {0};
	const char *user = vmset_user(c->d->model, vm, c->arena);

	if (!call_halted(c))
		return CALL_DONE;
	if (vm->vif || vm->changing || volume_importing(vm))
		return call_raise(c, "QubesVMNotHaltedError", "Domain is not powered off: '%s'",
				  vm->name);
	if (user)
		return call_raise(c, "QubesVMInUseError", "Domain is in use: '%s'; see %s",
				  vm->name, user);
	if (vmset_remove(c->d, vm, on_removed, c, &err) < 0)
		return call_raise_error(c, "StoragePoolException", &err);
	return CALL_LATER;
}

static enum call_result vm_shutdown(struct call *c)
{
	struct blob rest = c->request.argument, word;
	bool wait = false, force = false;

	while (blob_token(&rest, '+', &word)) {
		if (blob_eq_str(word, "wait"))
			wait = true;
		else if (blob_eq_str(word, "force"))
			force = true;
		else
			return call_raise(c, "ProtocolError",
					  "argument has to be made of force and wait");
	}
	return lifecycle_shutdown(c, force, wait);
}

static enum call_result vm_pause(struct call *c)
{
	return lifecycle_pause(c, true);
}

static enum call_result vm_unpause(struct call *c)
{
	return lifecycle_pause(c, false);
}

/* PVH and PV guests of ours have no power management of their own; to be paused does what suspending
 * does for the others. */
static enum call_result vm_suspend(struct call *c)
{
	return lifecycle_suspend(c, true);
}

static enum call_result vm_resume(struct call *c)
{
	return lifecycle_suspend(c, false);
}

const struct call_method vm_methods[] = {
	{"admin.vm.List", TO_ANY, vm_list},
	{"admin.vm.Remove", TO_VM, vm_remove},
	{"admin.vm.Start", TO_VM | ARGUMENT_OPTIONAL, lifecycle_start},
	{"admin.vm.Kill", TO_VM, lifecycle_kill},
	{"admin.vm.Shutdown", TO_VM | ARGUMENT_OPTIONAL, vm_shutdown},
	{"admin.vm.Pause", TO_VM, vm_pause},
	{"admin.vm.Unpause", TO_VM, vm_unpause},
	{"admin.vm.Suspend", TO_VM, vm_suspend},
	{"admin.vm.Resume", TO_VM, vm_resume},
	{"admin.vm.CurrentState", TO_ANY, lifecycle_state},
	{0},
};
