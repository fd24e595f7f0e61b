/* admin.vm.device.*: what there is, what is given to a qube for good. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "runtime/qubesadmin/include/qubesadmin-values.h"
#include "runtime/qubesd/block.h"
#include "runtime/qubesd/call.h"
#include "runtime/qubesd/denied.h"
#include "runtime/qubesd/device.h"
#include "runtime/qubesd/pci.h"
#include "runtime/qubesd/property.h"

/* The class in the method's name: admin.vm.device.CLASS.What. */
static const char *class_of(struct call *c)
{
	struct blob rest = c->request.method, class;

	for (int i = 0; i < 4; i++)
		blob_token(&rest, '.', &class);
	return arena_strndup(c->arena, class.p, class.n);
}

static bool is_class(struct call *c, const char *class)
{
	return !strcmp(class_of(c), class);
}

static struct device pci_describe(const struct pci_device *p)
{
	return (struct device){
		.class = "pci",
		.backend = "dom0",
		.port = p->port,
		.id = p->id,
		.vendor = p->vendor,
		.product = p->product,
		.name = p->name,
		.sbdf = p->sbdf,
	};
}

static void pci_devices(struct call *c, struct device_list *out)
{
	struct pci_list l;

	pci_scan(c->d->pci_facts, c->arena, &l);
	if (!c->d->pci_facts)
		pci_add_names(c->arena, &l);
	for (size_t i = 0; i < l.n; i++) {
		struct device *d = device_add(out, c->arena);
		const struct vm *holder = pci_user(c->d->model, NULL, &l, &l.v[i]);

		*d = pci_describe(&l.v[i]);
		d->interfaces = arena_printf(c->arena, "p%s", l.v[i].class);
		d->attachment = holder ? holder->name : NULL;
	}
}

static void list_devices(struct call *c, const struct device_list *l)
{
	const char *want = call_argument(c);

	for (size_t i = 0; i < l->n; i++) {
		const struct device *d = &l->v[i];

		if (*want && strcmp(want, d->port) != 0)
			continue;
		strbuf_printf(&c->out, "%s:%s", d->port, d->id);
		device_format(d, &c->out);
		strbuf_add_char(&c->out, '\n');
	}
}

static enum call_result device_available(struct call *c)
{
	struct device_list l = {0};

	if (is_class(c, "pci") && c->target->class == CLASS_ADMIN)
		pci_devices(c, &l);
	list_devices(c, &l);
	return CALL_DONE;
}

static const char *attribute(const struct assignment *as, const char *name, const char *otherwise)
{
	const char *value = kv_get(&as->attrs, name);

	return value && *value ? value : otherwise;
}

static void list_assignment(struct call *c, const struct assignment *as)
{
	const char *id = attribute(as, "identity", "*");

	strbuf_printf(&c->out, "%s+%s:%s", as->backend, as->port, id);
	device_add_value(&c->out, "device_id", id);
	device_add_value(&c->out, "port_id", as->port);
	device_add_value(&c->out, "devclass", as->class);
	device_add_value(&c->out, "backend_domain", as->backend);
	device_add_value(&c->out, "mode", attribute(as, "mode", "required"));
	device_add_value(&c->out, "frontend_domain", c->target->name);
	for (size_t i = 0; i < as->options.n; i++)
		device_add_value(&c->out, arena_printf(c->arena, "_%s", as->options.v[i].key),
				 as->options.v[i].value);
	strbuf_add_char(&c->out, '\n');
}

static enum call_result list_assignments(struct call *c)
{
	const char *class = class_of(c);

	for (size_t i = 0; i < c->target->n_assignments; i++) {
		const struct assignment *as = &c->target->assignments[i];
		const char *name = arena_printf(c->arena, "%s+%s", as->backend, as->port);

		if (!strcmp(as->class, class) &&
		    (!c->request.argument.n || blob_eq_str(c->request.argument, name)))
			list_assignment(c, as);
	}
	return CALL_DONE;
}

/* Of PCI devices: what was assigned when the qube started. */
static enum call_result device_attached(struct call *c)
{
	return c->target->domid > 0 ? list_assignments(c) : CALL_DONE;
}

struct named {
	const char *class, *backend, *port, *id;
	const char *interfaces; /* what is known of its kind */
};

/* The device of the argument, with its backend known; else raises. */
static bool named(struct call *c, struct named *n)
{
	n->class = class_of(c);
	if (!device_argument(c->arena, c->request.argument, &n->backend, &n->port, &n->id)) {
		call_raise(c, "ProtocolError", "argument has to be BACKEND+PORT+DEVICE_ID");
		return false;
	}
	if (!model_find_name(c->d->model, n->backend)) {
		call_raise(c, "QubesVMNotFoundError", "No such domain: '%s'", n->backend);
		return false;
	}
	return true;
}

static bool mode_ok(const char *mode)
{
	return !strcmp(mode, "required") || !strcmp(mode, "auto-attach") ||
	       !strcmp(mode, "ask-to-attach") || !strcmp(mode, "manual");
}

static bool raise_payload(struct call *c, const char *key)
{
	call_raise(c, "UnexpectedDeviceProperty", "Unexpected device property: '%s'", key);
	return false;
}

/* The serialized assignment of the payload; what it repeats of the argument has to agree. */
static bool take_payload(struct call *c, const struct named *n, struct kvlist *options,
			 const char **mode)
{
	struct blob rest = blob_trim(c->request.payload);
	const char *key = "", *value;
	int r;

	*mode = "required";
	while ((r = admin_next_value(c->arena, &rest, &key, &value)) > 0) {
		for (const char *p = value; *p; p++)
			if (!isprint((unsigned char)*p)) {
				call_raise(c, "ProtocolError", "'%s' has to be printable ASCII", key);
				return false;
			}
		if (*key == '_' && key[1])
			kv_set(options, key + 1, value);
		else if (!strcmp(key, "mode"))
			*mode = value;
		else if ((!strcmp(key, "port_id") && strcmp(value, n->port) != 0) ||
			 (!strcmp(key, "backend_domain") && strcmp(value, n->backend) != 0) ||
			 (!strcmp(key, "devclass") && strcmp(value, n->class) != 0))
			return raise_payload(c, key);
	}
	if (r < 0) {
		call_raise(c, "ProtocolError", "the assignment is not understood");
		return false;
	}
	if (!mode_ok(*mode)) {
		call_raise(c, "QubesUnrecognizedDeviceAssignmentMode",
			   "Unrecognized assignment mode: '%s'", *mode);
		return false;
	}
	return true;
}

static bool option_known(const char *class, const char *option)
{
	static const char *const pci[] = {"permissive", "no-strict-reset"};
	static const char *const block[] = {"frontend-dev", "read-only", "devtype"};
	bool is_pci = !strcmp(class, "pci");

	for (size_t i = 0; i < (is_pci ? 2 : 3); i++)
		if (!strcmp(option, is_pci ? pci[i] : block[i]))
			return true;
	return strcmp(class, "pci") != 0 && strcmp(class, "block") != 0;
}

/* The canonical port and identity of a PCI device that is there; others are taken as they are. */
static bool pci_resolve(struct call *c, struct named *n)
{
	const struct pci_device *dev;
	struct pci_list l;

	if (strcmp(n->class, "pci") != 0) {
		n->interfaces = BLOCK_INTERFACES;
		return true;
	}
	pci_scan(c->d->pci_facts, c->arena, &l);
	dev = strcmp(n->backend, "dom0") ? NULL : pci_find(&l, n->port);
	if (!dev || !device_id_matches(n->id, dev->id)) {
		call_raise(c, "DeviceNotFound", "No such PCI device: %s:%s", n->backend, n->port);
		return false;
	}
	n->port = dev->port;
	n->interfaces = arena_printf(c->arena, "p%s", dev->class);
	n->id = !strcmp(n->id, "*") || !strcmp(n->id, "_") ? "*" : dev->id;
	return true;
}

/* A qube has the PCI devices that it was started with, until it stops; else raises. */
static bool pci_changeable(struct call *c, const char *class)
{
	return strcmp(class, "pci") != 0 || call_halted(c);
}

static enum call_result device_assign(struct call *c)
{
	struct kvlist options = {0};
	struct assignment *as;
	const char *mode;
	struct named n = {0};
	char *text;

	if (!named(c, &n) || !take_payload(c, &n, &options, &mode) || !pci_resolve(c, &n))
		goto out;
	for (size_t i = 0; i < options.n; i++)
		if (!option_known(n.class, options.v[i].key)) {
			raise_payload(c, options.v[i].key);
			goto out;
		}
	if (denied_matches(c->d->model, c->target, n.interfaces)) {
		call_raise(c, "PermissionDenied", "devices of this kind are denied to %s",
			   c->target->name);
		goto out;
	}
	if (vm_assignment(c->target, n.class, n.backend, n.port)) {
		call_raise(c, "DeviceAlreadyAssigned", "device %s:%s already assigned to %s",
			   n.backend, n.port, c->target->name);
		goto out;
	}
	if (!pci_changeable(c, n.class))
		goto out;
	event_send(c->d, c->target, arena_printf(c->arena, "device-pre-assign:%s", n.class),
		   "device", arena_printf(c->arena, "%s:%s:%s", n.backend, n.port, n.id), NULL);
	as = vm_assignment_add(c->target, n.class, n.backend, n.port);
	kv_set(&as->attrs, "mode", mode);
	kv_set(&as->attrs, "identity", n.id);
	as->options = options;
	options = (struct kvlist){0};
	text = arena_printf(c->arena, "device-assign:%s", n.class);
	if (call_save(c))
		event_send(c->d, c->target, text, "device",
			   arena_printf(c->arena, "%s:%s:%s", n.backend, n.port, n.id), NULL);
	else
		vm_assignment_remove(c->target, as);
out:
	kv_free(&options);
	return CALL_DONE;
}

/* The assignment of the argument; for PCI a plain address will do. Else raises. */
static struct assignment *assigned(struct call *c, struct named *n)
{
	struct assignment *as;
	struct pci_list l;

	if (!named(c, n))
		return NULL;
	as = vm_assignment(c->target, n->class, n->backend, n->port);
	if (!as && !strcmp(n->class, "pci")) {
		pci_scan(c->d->pci_facts, c->arena, &l);
		if (pci_find(&l, n->port))
			as = vm_assignment(c->target, "pci", n->backend,
					   pci_find(&l, n->port)->port);
	}
	if (!as)
		call_raise(c, "DeviceNotAssigned", "device %s:%s not assigned to %s", n->backend,
			   n->port, c->target->name);
	return as;
}

/* Takes the assignment out and saves; false with the exception raised and the assignment in force. */
static bool drop_assignment(struct call *c, struct assignment *as)
{
	const char *class = arena_strdup(c->arena, as->class), *backend = arena_strdup(c->arena, as->backend),
		   *port = arena_strdup(c->arena, as->port);
	struct kvlist attrs = as->attrs, options = as->options;
	bool saved;

	as->attrs = as->options = (struct kvlist){0};
	vm_assignment_remove(c->target, as);
	saved = call_save(c);
	if (saved) {
		kv_free(&attrs);
		kv_free(&options);
	} else {
		as = vm_assignment_add(c->target, class, backend, port);
		as->attrs = attrs;
		as->options = options;
	}
	return saved;
}

static enum call_result device_unassign(struct call *c)
{
	struct named n;
	struct assignment *as = assigned(c, &n);

	if (!as || !pci_changeable(c, n.class))
		return CALL_DONE;
	if (drop_assignment(c, as))
		event_send(c->d, c->target, arena_printf(c->arena, "device-unassign:%s", n.class),
			   "device", arena_printf(c->arena, "%s:%s:*", n.backend, n.port), NULL);
	return CALL_DONE;
}

static enum call_result device_set_assignment(struct call *c)
{
	struct named n;
	const char *mode = call_payload(c);
	struct assignment *as;

	if (!mode_ok(mode) || !strcmp(mode, "manual"))
		return call_raise(c, "QubesUnrecognizedDeviceAssignmentMode",
				  "Unrecognized assignment mode: '%s'", mode);
	as = assigned(c, &n);
	if (!as)
		return CALL_DONE;
	if (call_save_value(c, &as->attrs, "mode", mode))
		event_send(c->d, c->target,
			   arena_printf(c->arena, "device-assignment-changed:%s", n.class),
			   "device", arena_printf(c->arena, "%s:%s:*", n.backend, n.port), NULL);
	return CALL_DONE;
}

static enum call_result only_at_start(struct call *c)
{
	return call_raise(c, "QubesNotImplementedError",
			  "PCI devices are given to a qube at its start: assign the device instead");
}

static enum call_result deviceclass_list(struct call *c)
{
	strbuf_add_str(&c->out, "block\npci\n");
	return CALL_DONE;
}

/* clang-format off */
#define CLASS_METHODS(class)                                                                       \
	{"admin.vm.device." class ".Assigned", TO_VM | ARGUMENT_OPTIONAL, list_assignments},       \
		{"admin.vm.device." class ".Assign", TO_VM | ARGUMENT | PAYLOAD_OPTIONAL,          \
		 device_assign},                                                                   \
		{"admin.vm.device." class ".Unassign", TO_VM | ARGUMENT, device_unassign},         \
	{                                                                                          \
		"admin.vm.device." class ".Set.assignment", TO_VM | ARGUMENT | PAYLOAD,            \
			device_set_assignment                                                      \
	}

const struct call_method device_methods[] = {
	CLASS_METHODS("pci"),
	{"admin.vm.device.pci.Available", TO_ANY | ARGUMENT_OPTIONAL, device_available},
	{"admin.vm.device.pci.Attached", TO_VM | ARGUMENT_OPTIONAL, device_attached},
	{"admin.vm.device.pci.Attach", TO_VM | ARGUMENT | PAYLOAD_OPTIONAL, only_at_start},
	{"admin.vm.device.pci.Detach", TO_VM | ARGUMENT, only_at_start},
	CLASS_METHODS("block"),
	{"admin.deviceclass.List", TO_DOM0, deviceclass_list},
	{0},
};
