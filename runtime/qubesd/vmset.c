#include "runtime/qubesd/vmset.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "runtime/qubesd/autostart.h"
#include "runtime/qubesd/dispvm.h"
#include "runtime/qubesd/property.h"
#include "runtime/qubesd/server.h"
#include "runtime/qubesd/storage.h"
#include "runtime/qubesd/sync.h"

int vmset_add(struct qubesd *d, struct vm *vm, const struct kvlist *pools, struct error *err)
{
	_cleanup_arena_ struct arena *a = arena_new();
	struct storage s = {0};
	int r = model_add(d->model, vm);

	if (r < 0) {
		error_errno(err, r, vm->name, "cannot add the qube");
		vm_unref(vm);
		return r;
	}
	storage_configure(d->model, vm, pools);
	event_send(d, vm, "domain-init", NULL);
	r = storage_plan(d->model, vm, d->root, "", a, &s, err);
	if (r == 0)
		r = storage_create(&s, vm->class == CLASS_TEMPLATE, err);
	/* Never with fewer restrictions than its template. */
	if (r == 0 && vm->class == CLASS_DISP)
		r = dispvm_copy_rules(d, vm, err);
	if (r == 0)
		r = qubesd_save(d, err);
	if (r < 0) {
		model_remove(d->model, vm);
		/* The root of a template was there before. */
		if (vm->class != CLASS_TEMPLATE)
			storage_remove(&s, NULL);
		vm_unref(vm);
		return r;
	}
	event_send(d, vm, "domain-create-on-disk", NULL);
	event_send(d, NULL, "domain-add", "vm", vm->name, NULL);
	return 0;
}

static const char *refers(const struct kvlist *props, const struct property_def *table,
			  const char *name)
{
	for (; table->name; table++) {
		const char *value =
			table->type == PROPERTY_VM ? kv_get(props, table->name) : NULL;

		if (value && !strcmp(value, name))
			return table->name;
	}
	return NULL;
}

const char *vmset_user(const struct model *m, const struct vm *vm, struct arena *a)
{
	const char *property = refers(&m->props, global_properties, vm->name);

	if (property)
		return arena_printf(a, "%s of the system", property);
	for (size_t i = 0; i < m->n_vms; i++) {
		property = m->vms[i] == vm
				   ? NULL
				   : refers(&m->vms[i]->props, vm_properties, vm->name);
		if (property)
			return arena_printf(a, "%s of %s", property, m->vms[i]->name);
		for (size_t k = 0; m->vms[i] != vm && k < m->vms[i]->n_assignments; k++) {
			const struct assignment *as = &m->vms[i]->assignments[k];

			if (!strcmp(as->backend, vm->name))
				return arena_printf(a, "%s device %s of %s", as->class, as->port, m->vms[i]->name);
		}
	}
	return NULL;
}

struct removal {
	struct arena *arena;
	struct storage storage;
	char *name;
	vmset_removed_fn done;
	void *user;
};

static int work_remove(const void *arg, struct error *err)
{
	return storage_remove(arg, err);
}

static void removal_end(struct removal *r, const char *failure)
{
	if (failure)
		fprintf(stderr, "qubesd: %s: %s\n", r->name, failure);
	if (r->done)
		r->done(r->user, failure);
	arena_free(r->arena);
	free(r->name);
	free(r);
}

static void on_removed(void *user, int status, const char *out)
{
	removal_end(user, status == 0 ? NULL : *out ? out : "cannot remove the qube's files");
}

/* Under a name of their own, so that a new qube of the same name is not in the way. */
static void remove_files(struct qubesd *d, struct removal *r)
{
	_cleanup_error_ struct error err = {0};
	int res = storage_retire(&r->storage, r->arena, &err);

	if (res == 0)
		res = child_start(d->event,
				  &(struct child_spec){.work = work_remove, .arg = &r->storage},
				  on_removed, r, NULL);
	if (res < 0)
		removal_end(r, err.cause ? err.cause : strerror(-res));
}

static void forget(struct qubesd *d, struct vm *vm)
{
	_cleanup_error_ struct error err = {0};

	if (autostart_set(d, vm->name, false, &err) < 0)
		error_print("qubesd", &err);
	server_forget(d, vm);
	sync_forget(d, vm);
	vm_unref(vm);
}

int vmset_remove(struct qubesd *d, struct vm *vm, vmset_removed_fn done, void *user,
		 struct error *err)
{
	struct removal *r = xcalloc(1, sizeof(*r));
	int res;

	*r = (struct removal){
		.arena = arena_new(), .name = xstrdup(vm->name), .done = done, .user = user};
	res = storage_plan(d->model, vm, d->root, "", r->arena, &r->storage, err);
	if (res == 0) {
		event_send(d, NULL, "domain-pre-delete", "vm", vm->name, NULL);
		model_remove(d->model, vm);
		res = qubesd_save(d, err);
		if (res < 0) {
			/* Its element may be gone already; the next save makes a new one. */
			vm->node = NULL;
			model_add(d->model, vm);
		}
	}
	if (res < 0) {
		arena_free(r->arena);
		free(r->name);
		free(r);
		return res;
	}
	event_send(d, vm, "domain-remove-from-disk", NULL);
	event_send(d, NULL, "domain-delete", "vm", vm->name, NULL);
	forget(d, vm);
	remove_files(d, r);
	return 0;
}
