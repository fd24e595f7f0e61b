/* admin.vm.Create*: new qubes of each class, and disposables. */
#include <stdio.h>
#include <string.h>

#include "runtime/qubesd/call.h"
#include "runtime/qubesd/dispvm.h"
#include "runtime/qubesd/property.h"
#include "runtime/qubesd/storage.h"
#include "runtime/qubesd/vmset.h"

/* What a request asks for. */
struct wish {
	enum vm_class class;
	const char *name, *label;
	const struct vm *template;
	struct kvlist pools; /* volume to pool */
};

static const char *const volumes[] = {"root", "private", "volatile", "kernel"};

static bool is_volume(const char *name)
{
	for (size_t i = 0; i < sizeof(volumes) / sizeof(*volumes); i++)
		if (!strcmp(name, volumes[i]))
			return true;
	return false;
}

/* pool=P for all volumes but the kernel's, pool:VOLUME=P for one; each once. */
static bool take_pool(struct wish *w, const char *key, const char *value)
{
	if (!strcmp(key, "pool")) {
		for (size_t i = 0; i < 3; i++) {
			if (kv_get(&w->pools, volumes[i]))
				return false;
			kv_set(&w->pools, volumes[i], value);
		}
		return true;
	}
	if (strncmp(key, "pool:", 5) != 0 || !is_volume(key + 5) || kv_get(&w->pools, key + 5))
		return false;
	kv_set(&w->pools, key + 5, value);
	return true;
}

/* `name=N label=L` and, where allowed, pools; nothing twice, nothing else. */
static bool take_words(struct call *c, struct wish *w, bool in_pool)
{
	struct blob rest = c->request.payload, word, key;

	while (blob_token(&rest, ' ', &word)) {
		const char *name, *value;

		if (!memchr(word.p, '=', word.n))
			return false;
		blob_token(&word, '=', &key);
		name = arena_strndup(c->arena, key.p, key.n);
		value = arena_strndup(c->arena, word.p, word.n);
		if (!strcmp(name, "name") && !w->name)
			w->name = value;
		else if (!strcmp(name, "label") && !w->label)
			w->label = value;
		else if (!in_pool || !take_pool(w, name, value))
			return false;
	}
	return w->name && w->label;
}

/* The template, checked; false with the exception raised. */
static bool take_template(struct call *c, struct wish *w)
{
	struct property_ctx global = {c->d->model, NULL, c->arena};
	struct blob name = c->request.argument;
	bool disposable = w->class == CLASS_DISP;
	const char *refused;

	if (!(w->class & (CLASS_APP | CLASS_DISP))) {
		if (name.n)
			call_raise(c, "QubesValueError", "%s has no template",
				   vm_class_name(w->class));
		return !name.n;
	}
	if (!name.n)
		name = blob_of(property_value(
			&global, disposable ? "default_dispvm" : "default_template"));
	w->template = model_find(c->d->model, name);
	if (!w->template) {
		call_raise(c, "QubesVMNotFoundError", "No such domain: '%.*s'", BLOB_ARG(name));
		return false;
	}
	if (!(w->template->class & (disposable ? CLASS_APP | CLASS_STANDALONE : CLASS_TEMPLATE))) {
		call_raise(c, "QubesValueError", "'%s' cannot be the template of a %s",
			   w->template->name, vm_class_name(w->class));
		return false;
	}
	refused = disposable ? dispvm_refused(c->d->model, w->template, c->arena) : NULL;
	if (refused)
		call_raise(c, "QubesValueError", "%s", refused);
	return !refused;
}

static bool pools_exist(struct call *c, const struct wish *w)
{
	for (size_t i = 0; i < w->pools.n; i++) {
		const struct pool *p = model_pool(c->d->model, w->pools.v[i].value);
		bool kernel = !strcmp(w->pools.v[i].key, "kernel");

		if (!p)
			call_raise(c, "QubesPoolNotFoundError", "No such pool: '%s'",
				   w->pools.v[i].value);
		else if (storage_is_file_pool(p) == kernel)
			call_raise(c, "StoragePoolException",
				   "Pool '%s' cannot have the volume %s", p->name,
				   w->pools.v[i].key);
		if (c->exception)
			return false;
	}
	return true;
}

static bool acceptable(struct call *c, const struct wish *w)
{
	if (!vm_name_valid(blob_of(w->name)))
		call_raise(c, "QubesValueError", "Invalid qube name: '%s'", w->name);
	else if (!model_label(c->d->model, w->label))
		call_raise(c, "QubesLabelNotFoundError", "No such label: '%s'", w->label);
	else if (model_find_name(c->d->model, w->name))
		call_raise(c, "QubesVMAlreadyExistsError", "Domain already exists: '%s'", w->name);
	return !c->exception && pools_exist(c, w);
}

static struct vm *wished(struct call *c, const struct wish *w)
{
	struct vm *vm;

	if (w->class == CLASS_DISP) {
		vm = dispvm_new(c->d->model, w->template, w->name, c->source->name);
		if (!vm)
			return NULL;
	} else {
		vm = vm_new(w->class, w->name);
		if (w->template)
			kv_set(&vm->props, "template", w->template->name);
		strv_pushf(&vm->tags, "created-by-%s", c->source->name);
	}
	kv_set(&vm->props, "label", w->label);
	return vm;
}

/* Into the model and onto the disk; the exception is raised on failure. */
static enum call_result settle(struct call *c, struct vm *vm, const struct kvlist *pools)
{
	_cleanup_error_ struct error err = {0};

	if (!vm)
		return call_raise(c, "QubesException", "no number for a disposable is free");
	if (vmset_add(c->d, vm, pools, &err) < 0)
		call_raise_error(c, "StoragePoolException", &err);
	return CALL_DONE;
}

/* The class is the last word of the method's name. */
static enum call_result create(struct call *c)
{
	bool in_pool = blob_has_prefix(c->request.method, "admin.vm.CreateInPool.");
	struct blob rest = c->request.method, word, class = {0};
	struct wish w = {0};

	while (blob_token(&rest, '.', &word))
		class = word;
	w.class = vm_class_parse(class);
	if (!take_words(c, &w, in_pool))
		call_raise(c, "ProtocolError", "payload has to be: name=NAME label=LABEL%s",
			   in_pool ? " [pool=POOL] [pool:VOLUME=POOL]..." : "");
	else if (acceptable(c, &w) && take_template(c, &w))
		settle(c, wished(c, &w), &w.pools);
	kv_free(&w.pools);
	return CALL_DONE;
}

/* Target: the template, or dom0 for the caller's default_dispvm. */
static enum call_result create_disposable(struct call *c)
{
	struct property_ctx ctx = {c->d->model, c->source, c->arena};
	const struct vm *template = c->target;
	bool by_uuid = blob_eq_str(c->request.payload, "uuid");
	const char *refused;
	struct vm *vm;

	if (blob_eq_str(c->request.argument, "preload"))
		return call_raise(c, "QubesNotImplementedError",
				  "Disposables are not made in advance");
	if (c->request.argument.n || (c->request.payload.n && !by_uuid))
		return CALL_ABORT;
	if (template->class == CLASS_ADMIN)
		template = model_find_name(c->d->model, property_value(&ctx, "default_dispvm"));
	if (!template)
		return call_raise(c, "QubesException", "'%s' has no default_dispvm",
				  c->source->name);
	refused = dispvm_refused(c->d->model, template, c->arena);
	if (refused)
		return call_raise(c, "QubesException", "%s", refused);
	vm = vm_ref(dispvm_new(c->d->model, template, NULL, c->source->name));
	if (settle(c, vm, NULL) == CALL_DONE && !c->exception)
		strbuf_printf(&c->out, "%s%s", by_uuid ? "uuid:" : "", by_uuid ? vm->uuid : vm->name);
	vm_unref(vm);
	return CALL_DONE;
}

#define CREATE(class)                                                                              \
	{"admin.vm.Create." class, TO_DOM0 | ARGUMENT_OPTIONAL | PAYLOAD, create},                 \
	{                                                                                          \
		"admin.vm.CreateInPool." class, TO_DOM0 | ARGUMENT_OPTIONAL | PAYLOAD, create      \
	}

const struct call_method create_methods[] = {
	CREATE("AppVM"),
	CREATE("TemplateVM"),
	CREATE("StandaloneVM"),
	CREATE("DispVM"),
	{"admin.vm.CreateDisposable", TO_ANY | ARGUMENT_OPTIONAL | PAYLOAD_OPTIONAL,
	 create_disposable},
	{0},
};
