/* qvm.*: each step of a qube's state, alone or as a part of qvm.vm. */
#include "salt-lite/states/qvm.h"

#include <ctype.h>

#include "common/sys/process.h"
#include "runtime/qubesadmin/include/qubesadmin-values.h"
#include "runtime/qubesadmin/include/qubesadmin.h"
#include "salt-lite/states/state.h"

struct qube {
	struct salt *s;
	struct chunk *c;
	const char *name;
	const struct value *args; /* of this step: a map, or a list of names and maps */
};

bool qvm_ask(struct salt *s, const char *dest, const char *method, const char *argument, const char *payload,
		 struct blob *answer, const char **message)
{
	struct admin admin = {.socket = s->qubesd};
	_cleanup_strbuf_ struct strbuf out = {0};
	_cleanup_admin_error_ struct admin_error err = {0};
	int r = admin_call(&admin, dest, method, argument, blob_of(payload ? payload : ""), &out, &err);

	s->qubes = (struct blob){0};
	if (answer)
		*answer = value_blob(&s->h, strbuf_blob(&out))->s;
	if (r < 0)
		*message = r == -EREMOTEIO ? arena_strdup(s->h.arena, err.message && *err.message ? err.message : err.type)
					   : arena_printf(s->h.arena, "qubesd cannot be asked: %s", strerror(-r));
	return r >= 0;
}

static bool change(struct qube *q, const char *method, const char *argument, const char *payload)
{
	const char *message;

	if (q->s->test)
		return true;
	if (qvm_ask(q->s, q->name, method, argument, payload, NULL, &message))
		return true;
	result_fail(q->s, q->c, "%s%s%s of %s: %s", method, argument ? "+" : "", argument ? argument : "", q->name, message);
	return false;
}

/* Every formula asks for its qube: as long as nothing runs, all of them are told from one list. */
static struct blob qubes(struct salt *s)
{
	const char *message;
	struct blob list;

	if (s->qubes.p && !s->running)
		return s->qubes;
	if (!qvm_ask(s, "dom0", "admin.vm.List", NULL, NULL, &list, &message))
		heap_fail(&s->h, "%s", message);
	s->qubes = list;
	return list;
}

bool qvm_exists(struct salt *s, const char *name, struct blob *state)
{
	struct blob rest = qubes(s);
	struct admin_vm vm;

	while (admin_next_vm(&rest, &vm))
		if (blob_eq_str(vm.name, name)) {
			*state = vm.state;
			return true;
		}
	return false;
}

static bool exists(struct salt *s, const char *name)
{
	struct blob state;

	return qvm_exists(s, name, &state);
}

static bool running(struct salt *s, const char *name)
{
	struct blob state;

	return qvm_exists(s, name, &state) && !blob_eq_str(state, "Halted");
}

/* Parameters of a step, from a map or a list of single-key maps. */
static const struct value *part(const struct qube *q, const char *name)
{
	const struct value *v = map_get_str(q->args, name);

	for (size_t i = 0; !v && value_is_list(q->args) && i < q->args->list.n; i++)
		v = map_get_str(q->args->list.items[i], name);
	return v;
}

static bool flag(const struct qube *q, const char *name)
{
	return list_holds(part(q, "flags"), blob_of(name)) || list_holds(q->args, blob_of(name));
}

static void note(struct qube *q, const char *what, const char *value)
{
	result_change(q->s, q->c, arena_printf(q->s->h.arena, "%s.%s", q->name, what), value_string(&q->s->h, value));
}

static void step_exists(struct qube *q)
{
	if (!exists(q->s, q->name) && !(q->s->test && q->c->result.changes->map.n))
		result_fail(q->s, q->c, "%s does not exist", q->name);
}

static void step_missing(struct qube *q)
{
	if (exists(q->s, q->name))
		result_fail(q->s, q->c, "%s exists", q->name);
}

static void step_running(struct qube *q)
{
	if (!running(q->s, q->name))
		result_fail(q->s, q->c, "%s is not running", q->name);
}

static void step_halted(struct qube *q)
{
	if (running(q->s, q->name))
		result_fail(q->s, q->c, "%s is not halted", q->name);
}

static bool set_property(struct qube *q, const char *name, const char *value);

/* What Qubes' own `present` gives beside class, template and label. */
static void present_properties(struct qube *q)
{
	const struct value *memory = part(q, "mem"), *vcpus = part(q, "vcpus"), *maxmem = part(q, "maxmem");

	if (memory || (memory = part(q, "memory")))
		set_property(q, "memory", value_cstr(&q->s->h, memory));
	if (maxmem)
		set_property(q, "maxmem", value_cstr(&q->s->h, maxmem));
	if (vcpus)
		set_property(q, "vcpus", value_cstr(&q->s->h, vcpus));
	if (flag(q, "hvm") || flag(q, "hvm-template"))
		set_property(q, "virt_mode", "hvm");
	if (flag(q, "proxy") || flag(q, "net"))
		set_property(q, "provides_network", "True");
	if (flag(q, "net"))
		set_property(q, "netvm", "");
}

/* By qvm-create: a standalone qube is a copy of its template, and copying that tool's business. */
static bool standalone_create(struct qube *q, const char *template, const char *label)
{
	const char *argv[] = {"qvm-create", "--quiet", "--class", "StandaloneVM", "--template", template,
			      "--label",    label,     q->name,	  NULL};

	if (process_run(&(struct process){.argv = argv, .null_stdin = 1}) == 0)
		return true;
	result_fail(q->s, q->c, "%s cannot be created from %s", q->name, template);
	return false;
}

static bool plain_create(struct qube *q, const char *class, const char *template, const char *label)
{
	const char *message;

	if (qvm_ask(q->s, "dom0", arena_printf(q->s->h.arena, "admin.vm.Create.%s", class), template,
		    arena_printf(q->s->h.arena, "name=%s label=%s", q->name, label), NULL, &message))
		return true;
	result_fail(q->s, q->c, "%s cannot be created: %s", q->name, message);
	return false;
}

static void step_present(struct qube *q)
{
	const struct value *class = part(q, "class"), *template = part(q, "template"), *label = part(q, "label");
	const char *kind = class ? value_cstr(&q->s->h, class)
			 : flag(q, "hvm-template") ? "TemplateVM"
			 : flag(q, "standalone")   ? "StandaloneVM"
						   : "AppVM";
	const char *source = template ? value_cstr(&q->s->h, template) : NULL;
	const char *colour = label ? value_cstr(&q->s->h, label) : "red";

	if (exists(q->s, q->name)) {
		result_say(q->s, q->c, "[SKIP] A VM with the name '%s' already exists.", q->name);
		return;
	}
	note(q, "created", kind);
	if (q->s->test)
		return;
	if (!strcmp(kind, "StandaloneVM") && source && *source ? standalone_create(q, source, colour)
						     : plain_create(q, kind, source, colour))
		present_properties(q);
}

static void step_absent(struct qube *q)
{
	if (!exists(q->s, q->name))
		return;
	note(q, "removed", "True");
	change(q, "admin.vm.Remove", NULL, NULL);
}

/* By qvm-clone: volumes, properties, features, tags and the firewall are its business. */
static void step_clone(struct qube *q)
{
	const struct value *source = part(q, "source");
	const char *argv[] = {"qvm-clone", "--quiet", source ? value_cstr(&q->s->h, source) : "", q->name, NULL};

	if (exists(q->s, q->name)) {
		result_say(q->s, q->c, "[SKIP] A VM with the name '%s' already exists.", q->name);
		return;
	}
	if (!source || !exists(q->s, argv[2])) {
		result_fail(q->s, q->c, "%s cannot be cloned: there is no source '%s'", q->name, argv[2]);
		return;
	}
	if (flag(q, "shutdown") && running(q->s, argv[2])) {
		struct qube from = {q->s, q->c, argv[2], q->args};

		note(&from, "power", "Shutdown");
		if (!change(&from, "admin.vm.Shutdown", "wait", NULL))
			return;
	}
	note(q, "cloned", argv[2]);
	if (!q->s->test && process_run(&(struct process){.argv = argv, .null_stdin = 1}) != 0)
		result_fail(q->s, q->c, "%s cannot be cloned from %s", q->name, argv[2]);
}

/* qvm.prefs */

static bool empty_means_none(const char *name)
{
	static const char *const names[] = {"netvm",	      "guivm",		"audiovm",
					    "default_dispvm", "devices_denied", "management_dispvm"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

/* The value as qubesd shows it; false: the property is at its default or cannot be read. */
static bool property_now(struct qube *q, const char *name, struct blob *value, bool *is_default)
{
	const char *message;
	struct admin_property p;
	struct blob answer;

	if (!qvm_ask(q->s, q->name, "admin.vm.property.Get", name, NULL, &answer, &message) ||
	    !admin_property_parse(answer, &p))
		return false;
	*is_default = p.is_default;
	*value = p.value;
	return true;
}

static bool set_property(struct qube *q, const char *name, const char *value)
{
	struct blob now = BLOB("");
	bool is_default = true;

	if (empty_means_none(name) && (!strcasecmp(value, "none")))
		value = "";
	if (property_now(q, name, &now, &is_default)) {
		bool reset = !strcmp(value, "*default*");

		if (reset ? is_default : !is_default && blob_eq_str(now, value)) {
			result_say(q->s, q->c, "[SKIP] %-20s: %s", name, value);
			return true;
		}
	}
	note(q, name, *value ? value : "None");
	if (!strcmp(value, "*default*"))
		return change(q, "admin.vm.property.Reset", name, NULL);
	return change(q, "admin.vm.property.Set", name, value);
}

static const char *property_name(struct qube *q, const char *key)
{
	char *name = arena_strdup(q->s->h.arena, key);

	for (char *p = name; *p; p++)
		*p = *p == '-' ? '_' : *p;
	return !strcmp(name, "dispvm_allowed") ? "template_for_dispvms" : name;
}

static bool assigned(struct qube *q, const char *port, bool *no_strict)
{
	struct blob answer, line;
	const char *message;

	if (!qvm_ask(q->s, q->name, "admin.vm.device.pci.Assigned", NULL, NULL, &answer, &message))
		return false;
	while (blob_token(&answer, '\n', &line)) {
		const char *plus = memchr(line.p, '+', line.n);
		size_t n = strlen(port);

		if (!plus || line.n - (size_t)(plus + 1 - line.p) < n || strncmp(plus + 1, port, n) ||
		    (plus[1 + n] != ':' && plus[1 + n] != ' ' && plus + 1 + n != line.p + line.n))
			continue;
		*no_strict = memmem(line.p, line.n, "no-strict-reset='True'", 22) != NULL;
		return true;
	}
	return false;
}

/* [SSSS:]BB:DD.F[:DEVICE_ID] as a port of qubesd's, which does not name the first segment. */
static const char *pci_port(struct qube *q, const char *device)
{
	bool segment = strspn(device, "0123456789abcdefABCDEF") == 4 && device[4];
	char *port = arena_strdup(q->s->h.arena, device + (segment && !strncmp(device, "0000", 4) ? 5 : 0));
	char *bus = port + (segment && strncmp(device, "0000", 4) ? 5 : 0);

	for (char *p = port; *p; p++) {
		if (*p == ':' && p - bus > 3) {
			*p = 0;
			break;
		}
		*p = *p == ':' ? '_' : *p;
	}
	return port;
}

static void assign_pci(struct qube *q, const char *device, bool no_strict)
{
	const char *port = pci_port(q, device + (device[0] == '*')), *argument;
	bool now = false, have;

	argument = arena_printf(q->s->h.arena, "dom0+%s", port);
	have = assigned(q, port, &now);
	if (have && now == no_strict)
		return;
	note(q, arena_printf(q->s->h.arena, "pcidevs.%s", port), "assigned");
	if (have && !change(q, "admin.vm.device.pci.Unassign", argument, NULL))
		return;
	change(q, "admin.vm.device.pci.Assign", argument,
	       no_strict ? "mode='required' _no-strict-reset='True'" : "mode='required'");
}

static void set_pref(struct qube *q, const struct value *key_value, const struct value *v)
{
	const char *key = property_name(q, value_cstr(&q->s->h, key_value));

	if (!strcmp(key, "pcidevs")) {
		const struct value *strict = part(q, "pci_strictreset");

		strict = strict ? strict : part(q, "pci-strictreset");
		for (size_t i = 0; value_is_list(v) && i < v->list.n; i++)
			assign_pci(q, value_cstr(&q->s->h, v->list.items[i]), strict && !value_true(strict));
	} else if (!strcmp(key, "pci_strictreset")) {
		if (!part(q, "pcidevs"))
			result_fail(q->s, q->c, "pci_strictreset needs pcidevs beside it");
	} else if (strcmp(key, "action") && strcmp(key, "flags") && !parameter_common(key)) {
		set_property(q, key, v->kind == V_NONE ? "" : value_cstr(&q->s->h, v));
	}
}

static void step_prefs(struct qube *q)
{
	if (q->args->kind == V_MAP)
		for (size_t i = 0; i < q->args->map.n; i++)
			set_pref(q, q->args->map.pairs[i].key, q->args->map.pairs[i].value);
	for (size_t i = 0; value_is_list(q->args) && i < q->args->list.n; i++) {
		const struct value *item = q->args->list.items[i];

		for (size_t k = 0; item->kind == V_MAP && k < item->map.n; k++)
			set_pref(q, item->map.pairs[k].key, item->map.pairs[k].value);
	}
}

/* qvm.devices: 'class:backend:port' with options, assigned for good. */

struct device {
	const char *class, *argument; /* BACKEND+PORT */
	struct blob options;	      /* as qubesd takes them */
	size_t n_options;
};

static struct device device_of(struct qube *q, const char *spec, const struct value *options)
{
	const char *first = strchr(spec, ':'), *second = first ? strchr(first + 1, ':') : NULL;
	struct heap *h = &q->s->h;
	struct device d = {0};
	struct text t = {0};
	char *port;

	if (!second)
		heap_fail(h, "the device '%s' is not of the form class:backend:port", spec);
	d.class = arena_strndup(h->arena, spec, (size_t)(first - spec));
	port = arena_strdup(h->arena, second + 1);
	for (char *p = port; !strcmp(d.class, "pci") && *p; p++)
		*p = *p == ':' ? '_' : *p;
	d.argument = arena_printf(h->arena, "%.*s+%s", (int)(second - first - 1), first + 1, port);
	text_add_str(h, &t, "mode='required'");
	for (size_t i = 0; options && value_is_list(options) && i < options->list.n; i++)
		for (size_t k = 0; options->list.items[i]->kind == V_MAP && k < options->list.items[i]->map.n; k++) {
			const struct pair *p = &options->list.items[i]->map.pairs[k];

			text_printf(h, &t, " _%s='%s'", value_cstr(h, p->key), value_cstr(h, p->value));
			d.n_options++;
		}
	d.options = text_blob(&t);
	return d;
}

/* The line that tells of the assignment, or an empty one. */
static struct blob assignment(struct qube *q, const struct device *d)
{
	struct blob answer, line;
	const char *message;
	size_t n = strlen(d->argument);

	if (!qvm_ask(q->s, q->name, arena_printf(q->s->h.arena, "admin.vm.device.%s.Assigned", d->class), NULL, NULL, &answer,
		  &message))
		heap_fail(&q->s->h, "the devices of %s cannot be read: %s", q->name, message);
	while (blob_token(&answer, '\n', &line))
		if (blob_has_prefix(line, d->argument) && (line.n == n || strchr(": +", line.p[n])))
			return line;
	return BLOB("");
}

/* Whether it has just these options. */
static bool options_same(struct blob line, const struct device *d)
{
	struct blob rest = d->options, word;
	size_t n = 0;

	for (size_t i = 1; i < line.n; i++)
		n += line.p[i] == '_' && line.p[i - 1] == ' ';
	blob_word(&rest, &word); /* mode */
	while (blob_word(&rest, &word))
		if (!memmem(line.p, line.n, word.p, word.n))
			return false;
	return n == d->n_options;
}

static void device_method(struct qube *q, const struct device *d, const char *what, bool options)
{
	const char *method = arena_printf(q->s->h.arena, "admin.vm.device.%s.%s", d->class, what);

	change(q, method, d->argument, options ? arena_strndup(q->s->h.arena, d->options.p, d->options.n) : NULL);
}

static void attach_device(struct qube *q, const struct device *d)
{
	struct blob now = assignment(q, d);

	if (now.n && options_same(now, d)) {
		result_say(q->s, q->c, "[SKIP] %s is attached already", d->argument);
		return;
	}
	note(q, arena_printf(q->s->h.arena, "devices.%s", d->argument), "attached");
	if (now.n)
		device_method(q, d, "Unassign", false);
	if (q->c->result.value != RESULT_FALSE)
		device_method(q, d, "Assign", true);
}

static void detach_device(struct qube *q, const struct device *d)
{
	if (!assignment(q, d).n) {
		result_say(q->s, q->c, "[SKIP] %s is not attached", d->argument);
		return;
	}
	note(q, arena_printf(q->s->h.arena, "devices.%s", d->argument), "detached");
	device_method(q, d, "Unassign", false);
}

static void device_list(struct qube *q, const char *key, void (*each)(struct qube *q, const struct device *d))
{
	const struct value *list = part(q, key);

	for (size_t i = 0; list && value_is_list(list) && i < list->list.n; i++) {
		const struct value *item = list->list.items[i];
		bool pair = item->kind == V_MAP && item->map.n == 1;
		struct device d = device_of(q, value_cstr(&q->s->h, pair ? item->map.pairs[0].key : item),
					    pair ? item->map.pairs[0].value : NULL);

		if (q->c->result.value != RESULT_FALSE)
			each(q, &d);
	}
}

static void step_devices(struct qube *q)
{
	device_list(q, "attach", attach_device);
	device_list(q, "detach", detach_device);
}

/* Features, services, tags: names to set, clear or forget. */

static void set_feature(struct qube *q, const char *name, const char *value)
{
	struct blob now;
	const char *message;
	bool have = qvm_ask(q->s, q->name, "admin.vm.feature.Get", name, NULL, &now, &message);

	if (value ? have && blob_eq_str(now, value) : !have)
		return;
	note(q, name, value ? value : "default");
	if (value)
		change(q, "admin.vm.feature.Set", name, value);
	else
		change(q, "admin.vm.feature.Remove", name, NULL);
}

static void feature_list(struct qube *q, const char *key, const char *prefix, const char *value)
{
	const struct value *list = part(q, key);

	for (size_t i = 0; list && value_is_list(list) && i < list->list.n; i++)
		set_feature(q, arena_printf(q->s->h.arena, "%s%s", prefix, value_cstr(&q->s->h, list->list.items[i])), value);
}

static void feature_lists(struct qube *q, const char *prefix)
{
	feature_list(q, "enable", prefix, "1");
	feature_list(q, "enabled", prefix, "1");
	feature_list(q, "disable", prefix, "");
	feature_list(q, "disabled", prefix, "");
	feature_list(q, "default", prefix, NULL);
}

static void step_service(struct qube *q)
{
	feature_lists(q, "service.");
}

static void step_features(struct qube *q)
{
	const struct value *set = part(q, "set");

	feature_lists(q, "");
	for (size_t i = 0; value_is_list(set) && i < set->list.n; i++) {
		const struct value *one = set->list.items[i];

		for (size_t k = 0; one->kind == V_MAP && k < one->map.n; k++)
			set_feature(q, value_cstr(&q->s->h, one->map.pairs[k].key),
				    value_cstr(&q->s->h, one->map.pairs[k].value));
	}
}

static void tag_list(struct qube *q, const char *key, bool want)
{
	const struct value *list = part(q, key);

	for (size_t i = 0; value_is_list(list) && i < list->list.n; i++) {
		const char *tag = value_cstr(&q->s->h, list->list.items[i]), *message;
		struct blob now = BLOB("0");
		bool have;

		qvm_ask(q->s, q->name, "admin.vm.tag.Get", tag, NULL, &now, &message);
		have = blob_eq_str(now, "1");
		if (have == want)
			continue;
		note(q, arena_printf(q->s->h.arena, "tag.%s", tag), want ? "set" : "removed");
		change(q, want ? "admin.vm.tag.Set" : "admin.vm.tag.Remove", tag, NULL);
	}
}

static void step_tags(struct qube *q)
{
	tag_list(q, "add", true);
	tag_list(q, "present", true);
	tag_list(q, "del", false);
	tag_list(q, "absent", false);
}

static void step_firewall(struct qube *q)
{
	const struct value *rules = part(q, "set");
	struct text t = {0};
	struct blob now = BLOB("");
	const char *message;

	for (size_t i = 0; value_is_list(rules) && i < rules->list.n; i++)
		text_printf(&q->s->h, &t, "%s\n", value_cstr(&q->s->h, rules->list.items[i]));
	qvm_ask(q->s, q->name, "admin.vm.firewall.Get", NULL, NULL, &now, &message);
	if (!rules || blob_eq(now, text_blob(&t)))
		return;
	note(q, "firewall", t.p ? t.p : "");
	change(q, "admin.vm.firewall.Set", NULL, t.p ? t.p : "");
}

static void power(struct qube *q, bool needed, const char *method)
{
	if (!needed)
		return;
	note(q, "power", method + strlen("admin.vm."));
	change(q, method, NULL, NULL);
}

static void step_start(struct qube *q) { power(q, !running(q->s, q->name), "admin.vm.Start"); }

/* Always waits; what does not end in its time is killed when the flag says so. */
static void step_shutdown(struct qube *q)
{
	const char *message;

	if (!running(q->s, q->name)) {
		result_say(q->s, q->c, "[SKIP] %s is halted already", q->name);
		return;
	}
	note(q, "power", "Shutdown");
	if (q->s->test || qvm_ask(q->s, q->name, "admin.vm.Shutdown", flag(q, "force") ? "force+wait" : "wait", NULL, NULL, &message))
		return;
	if (flag(q, "kill"))
		change(q, "admin.vm.Kill", NULL, NULL);
	else
		result_fail(q->s, q->c, "%s does not shut down: %s", q->name, message);
}

static bool is_in(const struct qube *q, const char *wanted)
{
	struct blob state;

	return qvm_exists(q->s, q->name, &state) && blob_eq_str(state, wanted);
}

static void step_kill(struct qube *q) { power(q, running(q->s, q->name), "admin.vm.Kill"); }
static void step_pause(struct qube *q) { power(q, !is_in(q, "Paused"), "admin.vm.Pause"); }
static void step_unpause(struct qube *q) { power(q, is_in(q, "Paused"), "admin.vm.Unpause"); }

static void step_run(struct qube *q)
{
	const struct value *command = part(q, "cmd"), *user = part(q, "user");
	const char *argv[] = {"qvm-run", "-p", "-u", user ? value_cstr(&q->s->h, user) : "user", "--", q->name,
			      command ? value_cstr(&q->s->h, command) : "true", NULL};
	int code;

	note(q, "run", argv[6]);
	if (q->s->test)
		return;
	code = process_run(&(struct process){.argv = argv, .null_stdin = 1});
	if (code)
		result_fail(q->s, q->c, "the command in %s ended with %d", q->name, code);
}

/* In the order in which qvm.vm does them when `actions` names none. */
static const struct step {
	const char *name;
	void (*run)(struct qube *q);
} steps[] = {
	{"exists", step_exists},   {"running", step_running}, {"missing", step_missing}, {"halted", step_halted},
	{"absent", step_absent},   {"present", step_present}, {"clone", step_clone},	 {"prefs", step_prefs},
	{"devices", step_devices}, {"service", step_service},
	{"features", step_features}, {"firewall", step_firewall}, {"tags", step_tags},	 {"unpause", step_unpause},
	{"pause", step_pause},	   {"shutdown", step_shutdown}, {"kill", step_kill},	 {"start", step_start},
	{"run", step_run},
};

static const struct step *step_find(const char *name)
{
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (!strcmp(steps[i].name, name))
			return &steps[i];
	return NULL;
}

static bool keys_known(struct qube *q, const struct state_function *f, const struct value *map)
{
	for (size_t i = 0; map->kind == V_MAP && i < map->map.n; i++) {
		const char *key = value_cstr(&q->s->h, map->map.pairs[i].key);

		if (blob_has_word(blob_of(f->parameters), key) || parameter_common(key))
			continue;
		result_fail(q->s, q->c, "qvm.%s has no parameter '%s'", f->function, key);
		return false;
	}
	return true;
}

static void run_step(struct qube *q, const struct step *step)
{
	const struct state_function *f = state_find("qvm", step->name);
	bool any = f->parameters[0] == '*', good = any || keys_known(q, f, q->args);

	for (size_t i = 0; good && !any && value_is_list(q->args) && i < q->args->list.n; i++)
		good = keys_known(q, f, q->args->list.items[i]);
	if (good)
		step->run(q);
}

static void run_one(struct salt *s, struct chunk *c)
{
	struct qube q = {s, c, c->name, c->args};

	run_step(&q, step_find(c->function));
	if (c->result.value != RESULT_FALSE && !c->result.comment.n)
		result_say(s, c, "%s is in the wanted state", c->name);
}

static void vm_step(struct salt *s, struct chunk *c, const char *name, bool may_fail)
{
	const struct step *step = step_find(name);
	struct qube q = {s, c, c->name, arg(c, name)};

	if (!q.args)
		return;
	if (!step) {
		result_fail(s, c, "Unknown action keyword: %s", name);
		return;
	}
	if (c->result.value == RESULT_FALSE) {
		result_say(s, c, "%s: [SKIP] Skipping due to previous failure!", name);
		return;
	}
	run_step(&q, step);
	if (may_fail && c->result.value == RESULT_FALSE)
		c->result.value = RESULT_TRUE;
}

static bool step_known(const char *key)
{
	return step_find(key) || !strcmp(key, "actions") || parameter_common(key);
}

static void qvm_vm(struct salt *s, struct chunk *c)
{
	const struct value *actions = arg(c, "actions");

	for (size_t i = 0; i < c->args->map.n; i++) {
		const char *key = value_cstr(&s->h, c->args->map.pairs[i].key);

		if (!step_known(key))
			result_fail(s, c, "Unknown action keyword: %s", key);
	}
	for (size_t i = 0; value_is_list(actions) && i < actions->list.n; i++) {
		const struct value *a = actions->list.items[i];
		bool pass = a->kind == V_MAP && a->map.n == 1 && value_is_str(a->map.pairs[0].value, "pass");

		vm_step(s, c, value_cstr(&s->h, pass ? a->map.pairs[0].key : a), pass);
	}
	for (size_t i = 0; !actions && i < sizeof(steps) / sizeof(steps[0]); i++)
		vm_step(s, c, steps[i].name, false);
}

static void template_installed(struct salt *s, struct chunk *c)
{
	const char *repo = arg_text(s, c, "fromrepo", NULL), *pool = arg_text(s, c, "pool", NULL), *argv[8];
	size_t n = 0;

	if (exists(s, c->name)) {
		result_say(s, c, "Template %s already installed", c->name);
		return;
	}
	result_change(s, c, c->name, value_string(&s->h, "installed"));
	if (s->test)
		return;
	argv[n++] = "qvm-template";
	argv[n++] = "install";
	argv[n++] = "--quiet";
	if (repo)
		argv[n++] = arena_printf(s->h.arena, "--repoid=%s", repo);
	if (pool)
		argv[n++] = arena_printf(s->h.arena, "--pool=%s", pool);
	argv[n++] = c->name;
	argv[n] = NULL;
	if (process_run(&(struct process){.argv = argv, .null_stdin = 1}) != 0)
		result_fail(s, c, "the template %s cannot be installed", c->name);
}

void qvm_step(struct salt *s, struct chunk *c)
{
	if (!strcmp(c->function, "template_installed"))
		template_installed(s, c);
	else
		run_one(s, c);
}

const struct state_function qvm_states[] = {
	{"qvm", "vm", qvm_vm, "*", NULL},
	{"qvm", "exists", run_one, "flags", NULL},
	{"qvm", "missing", run_one, "flags", NULL},
	{"qvm", "running", run_one, "flags", NULL},
	{"qvm", "halted", run_one, "flags", NULL},
	{"qvm", "present", run_one, "template label class mem memory maxmem vcpus flags", NULL},
	{"qvm", "absent", run_one, "flags", NULL},
	{"qvm", "clone", run_one, "source flags", NULL},
	{"qvm", "prefs", run_one, "*", NULL},
	{"qvm", "devices", run_one, "attach detach", NULL},
	{"qvm", "service", run_one, "enable enabled disable disabled default", NULL},
	{"qvm", "features", run_one, "enable enabled disable disabled default set", NULL},
	{"qvm", "firewall", run_one, "set", NULL},
	{"qvm", "tags", run_one, "add present del absent", NULL},
	{"qvm", "start", run_one, "flags", NULL},
	{"qvm", "shutdown", run_one, "flags", NULL},
	{"qvm", "kill", run_one, "flags", NULL},
	{"qvm", "pause", run_one, "flags", NULL},
	{"qvm", "unpause", run_one, "flags", NULL},
	{"qvm", "run", run_one, "cmd user flags", NULL},
	{"qvm", "template_installed", template_installed, "fromrepo pool", NULL},
	{0},
};
