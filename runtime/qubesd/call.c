#include "runtime/qubesd/call.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"

const char *call_argument(const struct call *c)
{
	return arena_strndup(c->arena, c->request.argument.p, c->request.argument.n);
}

const char *call_payload(const struct call *c)
{
	return arena_strndup(c->arena, c->request.payload.p, c->request.payload.n);
}

enum call_result call_raise(struct call *c, const char *exception, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		abort();
	va_end(args);
	c->exception = exception;
	c->message = arena_strdup(c->arena, text);
	return CALL_DONE;
}

enum call_result call_raise_error(struct call *c, const char *exception, const struct error *err)
{
	if (!err->object)
		return call_raise(c, exception, "unknown cause");
	return call_raise(c, exception, "%s: %s%s%s", err->object, err->cause,
			  err->remedy ? "; " : "", err->remedy ? err->remedy : "");
}

bool call_halted(struct call *c)
{
	const struct vm *vm = c->target;

	if (vm->power != POWER_HALTED || vm->job)
		call_raise(c, "QubesVMNotHaltedError", "Domain is not powered off: '%s'", vm->name);
	else if (c->d->model->unheard)
		call_raise(c, "QubesVMNotHaltedError", "It is not known yet whether '%s' runs", vm->name);
	return !c->exception;
}

bool call_save(struct call *c)
{
	_cleanup_error_ struct error err = {0};

	if (qubesd_save(c->d, &err) == 0)
		return true;
	call_raise_error(c, "QubesException", &err);
	return false;
}

static void put(struct kvlist *l, const char *key, const char *value)
{
	if (value)
		kv_set(l, key, value);
	else
		kv_del(l, key);
}

bool call_save_value(struct call *c, struct kvlist *l, const char *key, const char *value)
{
	const char *old = kv_get(l, key);

	old = old ? arena_strdup(c->arena, old) : NULL;
	put(l, key, value);
	if (call_save(c))
		return true;
	put(l, key, old);
	return false;
}

void call_add_escaped(struct strbuf *out, const char *value)
{
	for (;;) {
		size_t plain = strcspn(value, "\\\n");

		strbuf_add(out, value, plain);
		value += plain;
		if (!*value)
			return;
		strbuf_add_str(out, *value++ == '\n' ? "\\n" : "\\\\");
	}
}

static bool uuid_valid(const char *p, size_t n)
{
	static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	if (n != VM_UUID_LEN)
		return false;
	for (size_t i = 0; i < n; i++)
		if (shape[i] == 'x' ? !isxdigit((unsigned char)p[i]) : p[i] != '-')
			return false;
	return true;
}

static const struct call_method *method_find(struct blob name)
{
	static const struct call_method *const tables[] = {
		vm_methods,	create_methods, property_methods, feature_methods, volume_methods,
		import_methods, pool_methods, system_methods, firewall_methods, device_methods,
		block_methods,	denied_methods, notes_methods, notify_methods, suspend_methods,
		internal_methods};

	for (size_t t = 0; t < sizeof(tables) / sizeof(*tables); t++)
		for (const struct call_method *m = tables[t]; m->name; m++)
			if (blob_eq_str(name, m->name))
				return m;
	return NULL;
}

/* Does the request have the shape that the method wants? */
static bool shape_fits(const struct call_method *m, const struct call *c)
{
	const struct request *r = &c->request;

	if (r->argument.n && !(m->takes & (ARGUMENT | ARGUMENT_OPTIONAL)))
		return false;
	if (!r->argument.n && (m->takes & ARGUMENT))
		return false;
	if (r->payload.n && !(m->takes & (PAYLOAD | PAYLOAD_OPTIONAL)))
		return false;
	return m->takes & (c->target->class == CLASS_ADMIN ? TO_DOM0 : TO_VM);
}

enum call_result call_dispatch(struct call *c)
{
	const struct call_method *m = method_find(c->request.method);

	/* They may be removed while the call waits. */
	c->source = vm_ref(model_find(c->d->model, c->request.source));
	c->target = vm_ref(model_find(c->d->model, c->request.target));
	if (c->d->broken && m && !(m->takes & EVEN_BROKEN))
		return call_raise(c, "QubesException", "%s", c->d->broken);
	if (!m)
		return call_raise(c, "ProtocolError", "no such method: %.*s",
				  BLOB_ARG(c->request.method));
	if (!c->source)
		return CALL_ABORT;
	if (!c->target && blob_has_prefix(c->request.target, "uuid:") &&
	    !uuid_valid(c->request.target.p + 5, c->request.target.n - 5))
		return call_raise(c, "QubesVMInvalidUUIDError", "Invalid UUID: '%.*s'",
				  BLOB_ARG(c->request.target));
	if (!c->target)
		return call_raise(c, "QubesVMNotFoundError", "No such domain: '%.*s'",
				  BLOB_ARG(c->request.target));
	if (!shape_fits(m, c))
		return CALL_ABORT;
	return m->run(c);
}
