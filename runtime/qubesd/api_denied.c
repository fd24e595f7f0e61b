/* admin.vm.device.denied.* */
#include <stdio.h>
#include <string.h>

#include "runtime/qubesd/call.h"
#include "runtime/qubesd/denied.h"
#include "runtime/qubesd/property.h"

static const char *current(struct call *c)
{
	struct property_ctx ctx = {c->d->model, c->target, c->arena};

	return property_value(&ctx, "devices_denied");
}

static bool contains(const char *codes, struct blob code)
{
	for (; strlen(codes) >= DENIED_CODE; codes += DENIED_CODE)
		if (!strncmp(codes, code.p, DENIED_CODE))
			return true;
	return false;
}

static enum call_result list(struct call *c)
{
	const char *codes = current(c);

	for (; strlen(codes) >= DENIED_CODE; codes += DENIED_CODE)
		strbuf_printf(&c->out, "%.*s\n", DENIED_CODE, codes);
	return CALL_DONE;
}

/* The codes of the payload are well-formed, each once. */
static bool payload_ok(struct call *c)
{
	struct blob p = c->request.payload;

	for (size_t i = 0; i < p.n; i += DENIED_CODE) {
		struct blob code = {p.p + i, p.n - i < DENIED_CODE ? p.n - i : DENIED_CODE};

		if (!denied_code_valid(code)) {
			call_raise(c, "QubesValueError", "Invalid interface code: '%.*s'",
				   BLOB_ARG(code));
			return false;
		}
	}
	return true;
}

static enum call_result store(struct call *c, const char *codes)
{
	const char *old = arena_strdup(c->arena, current(c));

	if (call_save_value(c, &c->target->props, "devices_denied", codes))
		event_send(c->d, c->target, "property-set:devices_denied", "name",
			   "devices_denied", "newvalue", codes, "oldvalue", old, NULL);
	return CALL_DONE;
}

static enum call_result add(struct call *c)
{
	const char *codes = current(c);
	struct blob p = c->request.payload;

	if (!payload_ok(c))
		return CALL_DONE;
	for (size_t i = 0; i < p.n; i += DENIED_CODE) {
		struct blob code = {p.p + i, DENIED_CODE};

		if (contains(codes, code))
			return call_raise(c, "QubesValueError", "Already denied: '%.*s'",
					  BLOB_ARG(code));
		codes = arena_printf(c->arena, "%s%.*s", codes, BLOB_ARG(code));
	}
	return store(c, codes);
}

static enum call_result drop(struct call *c)
{
	const char *codes = current(c), *left = "";
	struct blob p = c->request.payload;

	if (blob_eq_str(p, "all"))
		return store(c, "");
	if (!payload_ok(c))
		return CALL_DONE;
	for (size_t i = 0; i < p.n; i += DENIED_CODE)
		if (!contains(codes, (struct blob){p.p + i, DENIED_CODE}))
			return call_raise(c, "QubesValueError", "Not denied: '%.*s'", DENIED_CODE,
					  p.p + i);
	for (; strlen(codes) >= DENIED_CODE; codes += DENIED_CODE) {
		bool goes = false;

		for (size_t i = 0; i < p.n; i += DENIED_CODE)
			goes |= !strncmp(codes, p.p + i, DENIED_CODE);
		if (!goes)
			left = arena_printf(c->arena, "%s%.*s", left, DENIED_CODE, codes);
	}
	return store(c, left);
}

const struct call_method denied_methods[] = {
	{"admin.vm.device.denied.List", TO_VM, list},
	{"admin.vm.device.denied.Add", TO_VM | PAYLOAD, add},
	{"admin.vm.device.denied.Remove", TO_VM | PAYLOAD, drop},
	{0},
};
