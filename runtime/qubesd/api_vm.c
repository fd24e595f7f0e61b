/* Methods about qubes as a whole: list, create, remove, start, stop. */
#include <stdio.h>
#include <string.h>

#include "runtime/qubesd/autostart.h"
#include "runtime/qubesd/child.h"
#include "runtime/qubesd/lifecycle.h"
#include "runtime/qubesd/property.h"
#include "runtime/qubesd/server.h"
#include "runtime/qubesd/storage.h"
#include "runtime/qubesd/sync.h"

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

/* `name=N label=L`, each once, nothing else. */
static bool create_words(struct call *c, struct blob *name, struct blob *label)
{
	struct blob rest = c->request.payload, word;

	*name = *label = (struct blob){0};
	while (blob_token(&rest, ' ', &word)) {
		struct blob *slot = blob_has_prefix(word, "name=")    ? name
				    : blob_has_prefix(word, "label=") ? label
								      : NULL;
		size_t skip = slot == name ? strlen("name=") : strlen("label=");

		if (!slot || slot->p)
			return false;
		*slot = (struct blob){word.p + skip, word.n - skip};
	}
	return name->p && label->p;
}

/* NULL with the exception raised, or "" for a class without template. */
static const char *create_template(struct call *c, enum vm_class class)
{
	struct property_ctx global = {c->d->model, NULL, c->arena};
	struct blob name = c->request.argument;
	const struct vm *template;

	if (!(class & (CLASS_APP | CLASS_DISP))) {
		if (name.n) {
			call_raise(c, "QubesValueError", "%s has no template",
				   vm_class_name(class));
			return NULL;
		}
		return "";
	}
	if (!name.n)
		name = blob_of(property_value(&global, class == CLASS_APP ? "default_template"
									  : "default_dispvm"));
	template = model_find(c->d->model, name);
	if (!template) {
		call_raise(c, "QubesVMNotFoundError", "No such domain: '%.*s'", BLOB_ARG(name));
		return NULL;
	}
	if (template->class != (class == CLASS_APP ? CLASS_TEMPLATE : CLASS_APP)) {
		call_raise(c, "QubesValueError", "'%s' cannot be the template of a %s",
			   template->name, vm_class_name(class));
		return NULL;
	}
	return template->name;
}

/* The files first, the entry in qubes.xml last: a crash in between leaves only files that nothing
 * refers to. */
static enum call_result create_on_disk(struct call *c, struct vm *vm)
{
	_cleanup_error_ struct error err = {0};
	struct storage s;
	int r = model_add(c->d->model, vm);

	if (r < 0) {
		vm_free(vm);
		return call_raise(c, "QubesException", "cannot add a qube: %s", strerror(-r));
	}
	storage_configure(c->d->model, vm);
	r = storage_plan(c->d->model, vm, c->d->root, "", c->arena, &s, &err);
	if (r == 0)
		r = storage_create(&s, vm->class == CLASS_TEMPLATE, &err);
	if (r == 0)
		r = qubesd_save(c->d, &err);
	if (r < 0) {
		call_raise_error(c, "StoragePoolException", &err);
		model_remove(c->d->model, vm);
		vm_free(vm);
		return CALL_DONE;
	}
	event_send(c->d, NULL, "domain-add", "vm", vm->name, NULL);
	return CALL_DONE;
}

static enum call_result create(struct call *c, enum vm_class class)
{
	struct blob name, label;
	const char *template, *label_name;
	struct vm *vm;

	if (!create_words(c, &name, &label))
		return call_raise(c, "ProtocolError", "payload has to be: name=NAME label=LABEL");
	if (!vm_name_valid(name))
		return call_raise(c, "QubesValueError", "Invalid qube name: '%.*s'",
				  BLOB_ARG(name));
	label_name = arena_strndup(c->arena, label.p, label.n);
	if (!model_label(c->d->model, label_name))
		return call_raise(c, "QubesLabelNotFoundError", "No such label: '%s'", label_name);
	if (model_find(c->d->model, name))
		return call_raise(c, "QubesVMAlreadyExistsError", "Domain already exists: '%.*s'",
				  BLOB_ARG(name));
	template = create_template(c, class);
	if (!template)
		return CALL_DONE;
	vm = vm_new(class, arena_strndup(c->arena, name.p, name.n));
	kv_set(&vm->props, "label", label_name);
	if (*template)
		kv_set(&vm->props, "template", template);
	strv_pushf(&vm->tags, "created-by-%s", c->source->name);
	return create_on_disk(c, vm);
}

static enum call_result create_app(struct call *c)
{
	return create(c, CLASS_APP);
}

static enum call_result create_template_vm(struct call *c)
{
	return create(c, CLASS_TEMPLATE);
}

static enum call_result create_standalone(struct call *c)
{
	return create(c, CLASS_STANDALONE);
}

static bool refers(struct call *c, const struct kvlist *props, const struct property_def *table,
		   const char *whose)
{
	for (; table->name; table++) {
		const char *value = table->type == PROPERTY_VM ? kv_get(props, table->name) : NULL;

		if (!value || strcmp(value, c->target->name) != 0)
			continue;
		call_raise(c, "QubesVMInUseError", "Domain is in use: '%s'; see %s of %s",
			   c->target->name, table->name, whose);
		return true;
	}
	return false;
}

static bool in_use(struct call *c)
{
	const struct model *m = c->d->model;

	if (refers(c, &m->props, global_properties, "the system"))
		return true;
	for (size_t i = 0; i < m->n_vms; i++)
		if (m->vms[i] != c->target &&
		    refers(c, &m->vms[i]->props, vm_properties, m->vms[i]->name))
			return true;
	return false;
}

static int work_remove(const void *arg, struct error *err)
{
	return storage_remove(arg, err);
}

static void on_removed(void *user, int status, const char *out)
{
	struct call *c = user;

	if (status != 0)
		call_raise(c, "StoragePoolException", "%s",
			   *out ? out : "cannot remove the qube's files");
	call_finish(c);
}

/* The entry first: a crash in between leaves files that nothing refers to, never a qube without
 * files. */
static enum call_result vm_remove(struct call *c)
{
	struct vm *vm = c->target;
	_cleanup_error_ struct error err = {0};
	struct storage *s = arena_alloc(c->arena, sizeof(*s));

	if (vm->power != POWER_HALTED || vm->job || vm->vif)
		return call_raise(c, "QubesVMNotHaltedError", "Domain is not powered off: '%s'",
				  vm->name);
	if (in_use(c))
		return CALL_DONE;
	if (storage_plan(c->d->model, vm, c->d->root, "", c->arena, s, &err) < 0)
		return call_raise_error(c, "StoragePoolException", &err);
	event_send(c->d, NULL, "domain-pre-delete", "vm", vm->name, NULL);
	model_remove(c->d->model, vm);
	if (qubesd_save(c->d, &err) < 0) {
		vm->node =
			NULL; /* its element may be gone already; the next save makes a new one */
		model_add(c->d->model, vm);
		return call_raise_error(c, "QubesException", &err);
	}
	event_send(c->d, NULL, "domain-delete", "vm", vm->name, NULL);
	autostart_set(c->d, vm->name, false, &err);
	server_forget(c->d, vm);
	sync_forget(c->d, vm);
	c->target = NULL;
	vm_free(vm);
	/* Under a name of its own, so that a new qube of the same name is not in the way. */
	if (storage_retire(s, c->arena, &err) < 0)
		return call_raise_error(c, "StoragePoolException", &err);
	if (child_start(c->d->event, &(struct child_spec){.work = work_remove, .arg = s},
			on_removed, c, NULL) < 0)
		return call_raise(c, "StoragePoolException", "cannot remove the qube's files");
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

const struct call_method vm_methods[] = {
	{"admin.vm.List", TO_ANY, vm_list},
	{"admin.vm.Create.AppVM", TO_DOM0 | ARGUMENT_OPTIONAL | PAYLOAD, create_app},
	{"admin.vm.Create.TemplateVM", TO_DOM0 | ARGUMENT_OPTIONAL | PAYLOAD, create_template_vm},
	{"admin.vm.Create.StandaloneVM", TO_DOM0 | ARGUMENT_OPTIONAL | PAYLOAD, create_standalone},
	{"admin.vm.Remove", TO_VM, vm_remove},
	{"admin.vm.Start", TO_VM, lifecycle_start},
	{"admin.vm.Kill", TO_VM, lifecycle_kill},
	{"admin.vm.Shutdown", TO_VM | ARGUMENT_OPTIONAL, vm_shutdown},
	{"admin.vm.Pause", TO_VM, vm_pause},
	{"admin.vm.Unpause", TO_VM, vm_unpause},
	{"admin.vm.CurrentState", TO_ANY, lifecycle_state},
	{0},
};
