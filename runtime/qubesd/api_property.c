/* admin.vm.property.* and admin.property.*: the same functions, for a qube or for the system. */
#include <stdio.h>
#include <string.h>

#include "runtime/qubesd/call.h"
#include "runtime/qubesd/autostart.h"
#include "runtime/qubesd/property_net.h"
#include "runtime/qubesd/sync.h"

static bool is_global(const struct call *c)
{
	return blob_has_prefix(c->request.method, "admin.property.");
}

static struct property_ctx context(const struct call *c)
{
	return (struct property_ctx){c->d->model, is_global(c) ? NULL : c->target, c->arena};
}

static struct kvlist *store(struct call *c)
{
	return is_global(c) ? &c->d->model->props : &c->target->props;
}

/* The definition named by the argument, or NULL with the exception raised. */
static const struct property_def *named(struct call *c)
{
	struct property_ctx ctx = context(c);
	const struct property_def *def = property_find(ctx.vm, c->request.argument);

	if (!def)
		call_raise(c, "QubesNoSuchPropertyError", "Invalid property '%.*s' of %s",
			   BLOB_ARG(c->request.argument),
			   is_global(c) ? "the system" : c->target->name);
	return def;
}

static const struct property_def *table(const struct call *c)
{
	return is_global(c) ? global_properties : vm_properties;
}

static enum call_result property_list(struct call *c)
{
	struct property_ctx ctx = context(c);

	for (const struct property_def *d = table(c); d->name; d++)
		if (property_applies(d, ctx.vm))
			strbuf_printf(&c->out, "%s\n", d->name);
	return CALL_DONE;
}

static enum call_result property_get_one(struct call *c)
{
	struct property_ctx ctx = context(c);
	const struct property_def *def = named(c);
	const char *value;
	bool is_default;

	if (!def)
		return CALL_DONE;
	value = property_get(&ctx, def, &is_default);
	/* None is an empty value. */
	strbuf_printf(&c->out, "default=%s type=%s %s", is_default ? "True" : "False",
		      property_type_name(def->type), value ? value : "");
	return CALL_DONE;
}

static enum call_result property_get_all(struct call *c)
{
	struct property_ctx ctx = context(c);

	for (const struct property_def *d = table(c); d->name; d++) {
		bool is_default;
		const char *value;

		if (!property_applies(d, ctx.vm))
			continue;
		value = property_get(&ctx, d, &is_default);
		/* Not printf: a listing of a hundred qubes is six thousand such lines. */
		strbuf_add_str(&c->out, d->name);
		strbuf_add_str(&c->out, is_default ? " default=True type=" : " default=False type=");
		strbuf_add_str(&c->out, property_type_name(d->type));
		strbuf_add_char(&c->out, ' ');
		call_add_escaped(&c->out, value ? value : "");
		strbuf_add_char(&c->out, '\n');
	}
	return CALL_DONE;
}

static enum call_result property_get_default(struct call *c)
{
	struct property_ctx ctx = context(c);
	const struct property_def *def = named(c);
	const char *value = def && def->access == PROPERTY_RW ? property_default(&ctx, def) : NULL;

	if (value)
		strbuf_printf(&c->out, "type=%s %s", property_type_name(def->type), value);
	return CALL_DONE;
}

static enum call_result property_help(struct call *c)
{
	const struct property_def *def = named(c);

	if (def)
		strbuf_add_str(&c->out, def->help);
	return CALL_DONE;
}

/* Would raise and return false for what cannot be written. */
static bool writable(struct call *c, const struct property_def *def)
{
	if (!def)
		return false;
	if (def->access != PROPERTY_RW)
		call_raise(c, "QubesValueError", "Property '%s' cannot be changed", def->name);
	return def->access == PROPERTY_RW;
}

static void announce(struct call *c, const char *event, const char *value, const char *old)
{
	struct property_ctx ctx = context(c);
	const char *name = strchr(event, ':') + 1;

	if (value && old)
		event_send(c->d, ctx.vm, event, "name", name, "newvalue", value, "oldvalue", old,
			   NULL);
	else if (value)
		event_send(c->d, ctx.vm, event, "name", name, "newvalue", value, NULL);
	else
		event_send(c->d, ctx.vm, event, "name", name, NULL);
}

/* What a change means for qubes that run. */
static enum call_result take_effect(struct call *c, const char *name, struct vm *old_netvm)
{
	static const char *const network[] = {"netvm", "ip", "ip6", "mac"};
	bool concerns = false;

	if (c->exception || c->d->offline)
		return CALL_DONE;
	if (is_global(c)) {
		if (!strcmp(name, "default_netvm"))
			sync_all_networks(c->d);
		return CALL_DONE;
	}
	for (size_t i = 0; i < sizeof(network) / sizeof(*network); i++)
		concerns |= !strcmp(name, network[i]);
	if (!concerns)
		return CALL_DONE;
	if (old_netvm != net_uplink(c->d->model, c->target))
		sync_connected(c->d, old_netvm);
	return sync_network(c->d, c->target, c);
}

/* What has to be done on the disk with a new value; raises on failure. */
static void on_disk(struct call *c, const char *name)
{
	struct property_ctx ctx = context(c);
	_cleanup_error_ struct error err = {0};

	if (!is_global(c) && !strcmp(name, "autostart") &&
	    autostart_set(c->d, c->target->name,
			  !strcmp(property_value(&ctx, "autostart"), "True"), &err) < 0)
		call_raise_error(c, "QubesException", &err);
}

/* A running qube cannot be connected to one that does not run. */
static bool netvm_ready(struct call *c, const char *name, const char *value)
{
	const struct vm *netvm = model_find_name(c->d->model, value);

	if (is_global(c) || strcmp(name, "netvm") != 0 || !netvm || c->target->domid < 0 ||
	    netvm->domid >= 0)
		return true;
	call_raise(c, "QubesVMNotStartedError",
		   "Cannot dynamically attach to stopped NetVM: '%s'", netvm->name);
	return false;
}

static enum call_result property_set(struct call *c)
{
	struct property_ctx ctx = context(c);
	const struct property_def *def = named(c);
	const char *value, *old, *why = NULL;
	struct vm *old_netvm;

	if (!writable(c, def))
		return CALL_DONE;
	value = property_parse(&ctx, def, c->request.payload, &why);
	if (!value)
		return call_raise(c, "QubesPropertyValueError",
				  "Invalid value '%.*s' for property '%s': %s",
				  BLOB_ARG(c->request.payload), def->name, why);
	if (!netvm_ready(c, def->name, value))
		return CALL_DONE;
	old = property_get(&ctx, def, NULL);
	old = old ? arena_strdup(c->arena, old) : NULL;
	old_netvm = ctx.vm ? net_uplink(ctx.m, ctx.vm) : NULL;
	announce(c, arena_printf(c->arena, "property-pre-set:%s", def->name), value, old);
	if (!call_save_value(c, store(c), def->name, value))
		return CALL_DONE;
	announce(c, arena_printf(c->arena, "property-set:%s", def->name), value, old);
	on_disk(c, def->name);
	return take_effect(c, def->name, old_netvm);
}

static enum call_result property_reset(struct call *c)
{
	struct property_ctx ctx = context(c);
	const struct property_def *def = named(c);
	const char *value, *why;
	struct vm *old_netvm;

	if (!writable(c, def))
		return CALL_DONE;
	if (def->type == PROPERTY_LABEL || !strcmp(def->name, "template"))
		return call_raise(c, "QubesValueError", "Property '%s' has no default", def->name);
	value = property_default(&ctx, def);
	why = def->check && value && *value ? def->check(&ctx, blob_of(value)) : NULL;
	if (why)
		return call_raise(c, "QubesPropertyValueError",
				  "Invalid value '%s' for property '%s': %s", value, def->name,
				  why);
	if (!kv_get(store(c), def->name) ||
	    !netvm_ready(c, def->name, value))
		return CALL_DONE;
	old_netvm = ctx.vm ? net_uplink(ctx.m, ctx.vm) : NULL;
	announce(c, arena_printf(c->arena, "property-pre-reset:%s", def->name), NULL, NULL);
	if (!call_save_value(c, store(c), def->name, NULL))
		return CALL_DONE;
	announce(c, arena_printf(c->arena, "property-reset:%s", def->name), property_get(&ctx, def, NULL), NULL);
	on_disk(c, def->name);
	return take_effect(c, def->name, old_netvm);
}

const struct call_method property_methods[] = {
	{"admin.vm.property.List", TO_ANY, property_list},
	{"admin.vm.property.Get", TO_ANY | ARGUMENT, property_get_one},
	{"admin.vm.property.GetAll", TO_ANY, property_get_all},
	{"admin.vm.property.GetDefault", TO_ANY | ARGUMENT, property_get_default},
	{"admin.vm.property.Help", TO_ANY | ARGUMENT, property_help},
	{"admin.vm.property.Set", TO_ANY | ARGUMENT | PAYLOAD_OPTIONAL, property_set},
	{"admin.vm.property.Reset", TO_ANY | ARGUMENT, property_reset},
	{"admin.property.List", TO_DOM0, property_list},
	{"admin.property.Get", TO_DOM0 | ARGUMENT, property_get_one},
	{"admin.property.GetAll", TO_DOM0, property_get_all},
	{"admin.property.GetDefault", TO_DOM0 | ARGUMENT, property_get_default},
	{"admin.property.Help", TO_DOM0 | ARGUMENT, property_help},
	{"admin.property.Set", TO_DOM0 | ARGUMENT | PAYLOAD_OPTIONAL, property_set},
	{"admin.property.Reset", TO_DOM0 | ARGUMENT, property_reset},
	{0},
};
