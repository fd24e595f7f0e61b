/* admin.vm.device.block.*: looking at block devices, attaching and detaching them. */
#include <stdio.h>
#include <string.h>

#include "runtime/qubesadmin/include/qubesadmin-values.h"
#include "runtime/qubesd/block.h"
#include "runtime/qubesd/call.h"
#include "runtime/qubesd/denied.h"
#include "runtime/qubesd/hypervisor.h"
#include "runtime/qubesd/qdbread.h"

/* What Attach has been told. */
struct wish {
	const char *backend, *port, *id;
	const char *frontend;
	bool read_only;
};

static bool names_port(struct call *c, const char *backend, const char *port)
{
	return !c->request.argument.n ||
	       blob_eq_str(c->request.argument,
			   backend ? arena_printf(c->arena, "%s+%s", backend, port) : port);
}

static void on_available(void *user, int status, const char *out)
{
	struct call *c = user;
	struct device_list l = {0};

	block_parse(status == 0 ? blob_of(out) : (struct blob){0}, c->arena, &l);
	for (size_t i = 0; i < l.n; i++) {
		struct device *d = &l.v[i];
		const struct vm *holder = block_holder(c->d->model, d->backend, d->port);

		if (!names_port(c, NULL, d->port))
			continue;
		d->attachment = holder ? holder->name : NULL;
		strbuf_printf(&c->out, "%s:%s", d->port, d->id);
		device_format(d, &c->out);
		strbuf_add_char(&c->out, '\n');
	}
	call_finish(c);
}

/* Reads what a backend has; later `done`, or CALL_DONE with nothing to read. */
static enum call_result ask(struct call *c, const struct vm *backend, child_done_fn done)
{
	const char **names = arena_alloc(c->arena, 2 * sizeof(*names));

	if (c->d->offline || backend->domid < 0)
		return CALL_DONE;
	names[0] = arena_strdup(c->arena, backend->name);
	if (qdb_read_all(c->d, c->arena, names, block_prefix(), done, c) < 0)
		return call_raise(c, "QubesException", "cannot start a process to read QubesDB");
	return CALL_LATER;
}

static enum call_result available(struct call *c)
{
	return ask(c, c->target, on_available);
}

static enum call_result attached(struct call *c)
{
	for (size_t i = 0; i < c->target->n_attached; i++) {
		const struct attached *at = &c->target->attached[i];

		if (!names_port(c, at->backend, at->port))
			continue;
		strbuf_printf(&c->out, "%s+%s:%s", at->backend, at->port, at->id);
		device_add_value(&c->out, "device_id", at->id);
		device_add_value(&c->out, "port_id", at->port);
		device_add_value(&c->out, "devclass", "block");
		device_add_value(&c->out, "backend_domain", at->backend);
		device_add_value(&c->out, "mode", "manual");
		device_add_value(&c->out, "frontend_domain", c->target->name);
		device_add_value(&c->out, "_frontend-dev", at->frontend);
		device_add_value(&c->out, "_read-only", at->read_only ? "yes" : "no");
		strbuf_add_char(&c->out, '\n');
	}
	return CALL_DONE;
}

static bool is_true(const char *value)
{
	return !strcmp(value, "yes") || !strcmp(value, "True") || !strcmp(value, "true") ||
	       !strcmp(value, "1") || !strcmp(value, "on");
}

static bool take_option(struct wish *w, const char *key, const char *value)
{
	if (!strcmp(key, "_read-only"))
		w->read_only = is_true(value);
	else if (!strcmp(key, "_frontend-dev"))
		w->frontend = value;
	else if (!strcmp(key, "_devtype"))
		return block_devtype(value, &w->read_only);
	else if (!strcmp(key, "backend_domain"))
		return !strcmp(value, w->backend);
	else if (!strcmp(key, "port_id"))
		return !strcmp(value, w->port);
	else if (!strcmp(key, "devclass"))
		return !strcmp(value, "block");
	else
		return key[0] != '_';
	return true;
}

/* Argument and payload; false with the exception raised. */
static bool take_wish(struct call *c, struct wish *w)
{
	struct blob rest = blob_trim(c->request.payload);
	const char *key, *value;
	int r;

	if (!device_argument(c->arena, c->request.argument, &w->backend, &w->port, &w->id)) {
		call_raise(c, "ProtocolError", "argument has to be BACKEND+PORT+DEVICE_ID");
		return false;
	}
	while ((r = admin_next_value(c->arena, &rest, &key, &value)) > 0)
		if (!take_option(w, key, value)) {
			call_raise(c, "UnexpectedDeviceProperty",
				   "Unexpected device property: '%s'", key);
			return false;
		}
	if (r < 0)
		call_raise(c, "ProtocolError", "the assignment is not understood");
	return r == 0;
}

static void forget_attached(struct call *c)
{
	const struct attached *at = c->extra;
	struct attached *noted = block_attached(c->target, at->backend, at->port);

	if (noted)
		block_remove(c->d, c->target, noted);
}

static void on_withdrawn(void *user, int status, const char *out)
{
	(void)status;
	(void)out;
	forget_attached(user);
	call_finish(user);
}

/* A helper that did not get to its end may have left the qube with the disk. */
static bool withdraw(struct call *c)
{
	return c->target->domid > 0 && hypervisor_run(c->d, "detach", c->target->domid,
						      blob_of(block_line(c->d->model, c->extra, c->arena)),
						      on_withdrawn, c, NULL) == 0;
}

static void on_attached(void *user, int status, const char *out)
{
	struct call *c = user;
	const struct attached *at = c->extra;
	struct attached *noted = block_attached(c->target, at->backend, at->port);
	const char *cause;

	if (!hypervisor_answer(c->arena, status, out, &cause)) {
		call_raise(c, "QubesException", "%s: %s", c->target->name, cause);
		if (noted && hypervisor_lost(status) && withdraw(c))
			return;
		forget_attached(c);
	} else if (noted) {
		event_send(c->d, c->target, "device-attach:block", "device",
			   arena_printf(c->arena, "%s:%s:%s", at->backend, at->port, at->id),
			   "options", at->frontend, NULL);
	}
	call_finish(c);
}

/* Hands the found device to the helper; false with the exception raised. */
static bool attach(struct call *c, const struct wish *w, const struct device *dev)
{
	struct attached *at = arena_alloc(c->arena, sizeof(*at));
	const char *frontend = block_frontend(c->target, w->frontend, c->arena);

	if (block_holder(c->d->model, w->backend, w->port))
		call_raise(c, "DeviceAlreadyAttached", "device %s:%s already attached to %s",
			   w->backend, w->port,
			   block_holder(c->d->model, w->backend, w->port)->name);
	else if (!frontend)
		call_raise(c, "QubesValueError", "frontend-dev %s is not free or no xvde to xvdz",
			   w->frontend ? w->frontend : "");
	else if (dev->mode && *dev->mode == 'r' && !w->read_only)
		call_raise(c, "QubesValueError", "device %s:%s can only be attached read-only",
			   w->backend, w->port);
	else if (denied_matches(c->d->model, c->target, dev->interfaces))
		call_raise(c, "PermissionDenied", "devices of this kind are denied to %s",
			   c->target->name);
	if (c->exception)
		return false;
	*at = (struct attached){
		.backend = arena_strdup(c->arena, dev->backend),
		.port = arena_strdup(c->arena, dev->port),
		.id = arena_strdup(c->arena, dev->id),
		.node = arena_strdup(c->arena, dev->node),
		.frontend = arena_strdup(c->arena, frontend),
		.read_only = w->read_only,
	};
	c->extra = at;
	event_send(c->d, c->target, "device-pre-attach:block", "device",
		   arena_printf(c->arena, "%s:%s:%s", at->backend, at->port, at->id), NULL);
	/* Before it is done: neither the device nor its name in the qube is free for another call. */
	block_add(c->d, c->target, at);
	if (hypervisor_run(c->d, "attach", c->target->domid,
			   blob_of(block_line(c->d->model, at, c->arena)), on_attached, c,
			   NULL) == 0)
		return true;
	block_remove(c->d, c->target, block_attached(c->target, at->backend, at->port));
	call_raise(c, "QubesException", "cannot start qubesd-xl");
	return false;
}

static void on_backend_read(void *user, int status, const char *out)
{
	struct call *c = user;
	const struct wish *w = c->extra;
	struct device_list l = {0};

	block_parse(status == 0 ? blob_of(out) : (struct blob){0}, c->arena, &l);
	for (size_t i = 0; i < l.n; i++) {
		if (strcmp(l.v[i].port, w->port) != 0 || !device_id_matches(w->id, l.v[i].id))
			continue;
		if (!block_backend_runs(c->d->model, w->backend))
			break;
		if (!c->target->job && c->target->domid > 0 && attach(c, w, &l.v[i]))
			return;
		if (!c->exception)
			call_raise(c, "QubesVMNotRunningError", "Domain is not running: '%s'",
				   c->target->name);
		break;
	}
	if (!c->exception)
		call_raise(c, "DeviceNotFound", "No such block device: %s:%s", w->backend,
			   w->port);
	call_finish(c);
}

static enum call_result device_attach(struct call *c)
{
	struct wish *w = arena_alloc(c->arena, sizeof(*w));
	const struct vm *backend;

	if (!take_wish(c, w))
		return CALL_DONE;
	backend = model_find_name(c->d->model, w->backend);
	if (!backend)
		return call_raise(c, "QubesVMNotFoundError", "No such domain: '%s'", w->backend);
	if (c->target->domid < 0 || c->target->job)
		return call_raise(c, "QubesVMNotRunningError", "Domain is not running: '%s'",
				  c->target->name);
	if (backend == c->target)
		return call_raise(c, "QubesValueError", "the device is the qube's own");
	c->extra = w;
	if (ask(c, backend, on_backend_read) == CALL_LATER || c->exception)
		return c->exception ? CALL_DONE : CALL_LATER;
	return call_raise(c, "DeviceNotFound", "No such block device: %s:%s", w->backend, w->port);
}

static void on_detached(void *user, int status, const char *out)
{
	struct call *c = user;
	const struct wish *w = c->extra;
	struct attached *at = block_attached(c->target, w->backend, w->port);
	const char *cause;

	if (!hypervisor_answer(c->arena, status, out, &cause)) {
		call_raise(c, "QubesException", "%s: %s", c->target->name, cause);
	} else if (at) {
		block_remove(c->d, c->target, at);
		event_send(c->d, c->target, "device-detach:block", "port",
			   arena_printf(c->arena, "%s:%s", w->backend, w->port), NULL);
	}
	call_finish(c);
}

static enum call_result device_detach(struct call *c)
{
	struct wish *w = arena_alloc(c->arena, sizeof(*w));
	const struct attached *at;

	if (!take_wish(c, w))
		return CALL_DONE;
	at = block_attached(c->target, w->backend, w->port);
	if (!at)
		return call_raise(c, "DeviceNotAssigned", "device %s:%s not attached to %s",
				  w->backend, w->port, c->target->name);
	c->extra = w;
	event_send(c->d, c->target, "device-pre-detach:block", "port",
		   arena_printf(c->arena, "%s:%s", w->backend, w->port), NULL);
	if (hypervisor_run(c->d, "detach", c->target->domid,
			   blob_of(block_line(c->d->model, at, c->arena)), on_detached, c,
			   NULL) < 0)
		return call_raise(c, "QubesException", "cannot start qubesd-xl");
	return CALL_LATER;
}

const struct call_method block_methods[] = {
	{"admin.vm.device.block.Available", TO_ANY | ARGUMENT_OPTIONAL, available},
	{"admin.vm.device.block.Attached", TO_VM | ARGUMENT_OPTIONAL, attached},
	{"admin.vm.device.block.Attach", TO_VM | ARGUMENT | PAYLOAD_OPTIONAL, device_attach},
	{"admin.vm.device.block.Detach", TO_VM | ARGUMENT, device_detach},
	{0},
};
