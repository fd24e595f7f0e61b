/*
 * What qubes tell of themselves by way of dom0's services: qubes.FeaturesRequest, NotifyTools,
 * NotifyUpdates (ref/runtime.md 7.2). Only features of a fixed list are taken from them.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "runtime/qubesd/call.h"
#include "runtime/qubesd/property.h"
#include "runtime/qubesd/qdbread.h"
#include "runtime/qubesd/volume.h"

enum { MINUTE_LEN = 16 }; /* of YYYY-MM-DD HH:MM:SS */

static const char requests[] = "/features-request/", tools[] = "/qubes-tools/";

/* A prefix ends in `.`; what is `once` never replaces what is set. */
static const struct {
	const char *name;
	bool once;
} taken[] = {
	{"qrexec", true},	  {"gui", true},
	{"gui-emulated", true},	  {"qubes-firewall", false},
	{"vmexec", false},	  {"os", false},
	{"os-distribution", false}, {"os-distribution-like", false},
	{"os-version", false},	  {"os-eol", false},
	{"qubes-agent-version", false}, {"supported-service.", false},
	{"supported-feature.", false}, {"supported-rpc.", false},
};

static bool accepted(const struct vm *vm, const char *name)
{
	for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++) {
		size_t n = strlen(taken[i].name);
		bool match = taken[i].name[n - 1] == '.'
				     ? !strncmp(name, taken[i].name, n) && name[n]
				     : !strcmp(name, taken[i].name);

		if (match)
			return !taken[i].once || !kv_get(&vm->features, name);
	}
	return false;
}

static bool value_ok(const char *value)
{
	for (; *value; value++)
		if (!isalnum((unsigned char)*value) && !strchr("._,= -", *value))
			return false;
	return true;
}

static void on_read(void *user, int status, const char *out)
{
	struct call *c = user;
	const char *prefix = c->extra;
	struct blob rest = blob_of(status == 0 ? out : "");
	bool fresh = !kv_get(&c->source->features, "qrexec");
	struct qdb_entry e;

	while (qdb_next(&rest, &e)) {
		const char *name, *value;

		if (!blob_has_prefix(e.path, prefix))
			continue;
		name = arena_strndup(c->arena, e.path.p + strlen(prefix),
				     e.path.n - strlen(prefix));
		value = arena_strndup(c->arena, e.value.p, e.value.n);
		if (!accepted(c->source, name) || !value_ok(value))
			continue;
		kv_set(&c->source->features, name, !strcmp(value, "0") ? "" : value);
		event_send(c->d, c->source, arena_printf(c->arena, "domain-feature-set:%s", name),
			   "feature", name, "value", value, NULL);
	}
	if (status != 0)
		call_raise(c, "QubesException", "%s: its QubesDB cannot be read", c->source->name);
	else if (call_save(c))
		event_send(c->d, c->source, "features-request", NULL);
	/* The first word of an agent in it. */
	if (fresh && kv_get(&c->source->features, "qrexec"))
		event_send(c->d, c->source, "template-postinstall", NULL);
	call_finish(c);
}

/* Of a qube with a root of its own: others speak for their template, which they are not. */
static enum call_result read_source(struct call *c, const char *prefix)
{
	const char **names = arena_alloc(c->arena, 2 * sizeof(*names));

	if (!(c->source->class & (CLASS_TEMPLATE | CLASS_STANDALONE)) || c->d->offline)
		return CALL_DONE;
	names[0] = arena_strdup(c->arena, c->source->name);
	c->extra = arena_strdup(c->arena, prefix);
	if (qdb_read_all(c->d, c->arena, names, prefix, on_read, c) < 0)
		return call_raise(c, "QubesException", "cannot start a process to read QubesDB");
	return CALL_LATER;
}

static enum call_result features_request(struct call *c)
{
	return read_source(c, requests);
}

static enum call_result notify_tools(struct call *c)
{
	return read_source(c, tools);
}

static void set_feature(struct call *c, struct vm *vm, const char *name, const char *value)
{
	kv_set(&vm->features, name, value);
	event_send(c->d, vm, arena_printf(c->arena, "domain-feature-set:%s", name), "feature", name, "value", value,
		   NULL);
}

/* The features of updates, as Qubes OS has them; the same news within a minute is none. */
static enum call_result note_updates(struct call *c, struct vm *vm, const char *available)
{
	const char *before = kv_get(&vm->features, "updates-available");
	const char *checked = kv_get(&vm->features, "last-updates-check");
	char now[] = "YYYY-MM-DD HH:MM:SS";
	time_t t = time(NULL);

	strftime(now, sizeof(now), "%Y-%m-%d %H:%M:%S", localtime(&t));
	if (before && !strcmp(before, available) && checked && !strncmp(checked, now, MINUTE_LEN))
		return CALL_DONE;
	if (before && *before && !*available)
		set_feature(c, vm, "last-update", now);
	set_feature(c, vm, "updates-available", available);
	set_feature(c, vm, "last-updates-check", now);
	call_save(c);
	return CALL_DONE;
}

static bool updateable(const struct model *m, const struct vm *vm, struct arena *a)
{
	return !strcmp(property_value(&(struct property_ctx){m, vm, a}, "updateable"), "True");
}

/* Has the template other data by now than the qube, which may miss updates that are installed already? */
static bool is_outdated(struct call *c, const struct vm *vm)
{
	struct storage s;

	if (storage_plan(c->d->model, vm, c->d->root, "", c->arena, &s, NULL) < 0)
		return true;
	for (size_t i = 0; i < s.n; i++)
		if (volume_outdated(vm, &s.volumes[i]))
			return true;
	return false;
}

/*
 * Of a qube without a root of its own it is the template that has updates. Such a qube can only say that there are some,
 * and only while the template cannot speak for itself: it must not hide updates.
 */
static enum call_result notify_updates(struct call *c)
{
	struct vm *vm = c->source;
	uint64_t n;

	if (!blob_to_u64(blob_trim(c->request.payload), UINT32_MAX, &n))
		return call_raise(c, "ProtocolError", "payload has to be a number");
	while (vm && !updateable(c->d->model, vm, c->arena))
		vm = vm_template(c->d->model, vm);
	if (!vm || (vm != c->source && (!n || vm_has_domain(vm) || is_outdated(c, c->source))))
		return CALL_DONE;
	return note_updates(c, vm, n ? "1" : "");
}

const struct call_method notify_methods[] = {
	{"qubes.FeaturesRequest", TO_DOM0, features_request},
	{"qubes.NotifyTools", TO_DOM0, notify_tools},
	{"qubes.NotifyUpdates", TO_DOM0 | PAYLOAD, notify_updates},
	{0},
};
