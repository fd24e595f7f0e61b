/* qvm-device and its names qvm-pci and qvm-block. */
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/arena.h"
#include "runtime/qubesd/device.h"
#include "runtime/qvm/qvm.h"

static struct strv settings, excluded;
static bool all, required, ask, read_only, persistent, by_port, assignments, with_sbdf, as_json;

/* BACKEND:PORT[:DEVICE_ID]. */
struct place {
	char *backend, *port, *id;
};

static void place_free(struct place *p)
{
	free(p->backend);
}

#define _cleanup_place_ _cleanup_(place_free)

static struct place place_of(const char *text)
{
	struct place p = {.backend = xstrdup(text)};
	char *colon = strchr(p.backend, ':');

	if (!colon)
		return p;
	*colon = 0;
	p.port = colon + 1;
	colon = strchr(p.port, ':');
	if (colon) {
		*colon = 0;
		p.id = colon + 1;
	}
	return p;
}

static char *method_of(const char *class, const char *what)
{
	return xasprintf("admin.vm.device.%s.%s", class, what);
}

/* Who has what, from the lists of all qubes. */
struct user {
	char *vm, *place, *how;
};

struct users {
	struct user *v;
	size_t n;
};

static void users_free(struct users *u)
{
	for (size_t i = 0; i < u->n; i++) {
		free(u->v[i].vm);
		free(u->v[i].place);
		free(u->v[i].how);
	}
	free(u->v);
}

static int add_users(struct users *u, const char *class, const char *vm, const char *what)
{
	_cleanup_free_ char *method = method_of(class, what);
	_cleanup_strbuf_ struct strbuf out = {0};
	int r = qvm_call(vm, method, NULL, NULL, &out);
	struct blob rest = strbuf_blob(&out), line;

	while (!r && blob_token(&rest, '\n', &line)) {
		_cleanup_arena_ struct arena *a = arena_new();
		const char *backend = qvm_line_value(a, line, "backend_domain"),
			   *port = qvm_line_value(a, line, "port_id"),
			   *mode = qvm_line_value(a, line, "mode"), *front = qvm_line_value(a, line, "_frontend-dev"),
			   *ro = qvm_line_value(a, line, "_read-only");

		if (!backend || !port)
			continue;
		u->v = xreallocarray(u->v, u->n + 1, sizeof(*u->v));
		u->v[u->n++] = (struct user){
			xstrdup(vm), xasprintf("%s:%s", backend, port),
			!strcmp(what, "Assigned") ? xasprintf(" (%s)", mode ? mode : "required")
			: front ? xasprintf(" (frontend-dev=%s, read-only=%s)", front, ro ? ro : "no")
				: xstrdup("")};
	}
	return r;
}

static char *users_text(const struct users *u, const char *place)
{
	struct strbuf s = {0};

	for (size_t i = 0; i < u->n; i++)
		if (!strcmp(u->v[i].place, place))
			strbuf_printf(&s, "%s%s%s", s.n ? ", " : "", u->v[i].vm, u->v[i].how);
	return strbuf_steal(&s);
}

static bool is_user(const struct users *u, const struct strv *vms, const char *place)
{
	for (size_t i = 0; i < u->n; i++)
		if (!strcmp(u->v[i].place, place) && strv_contains(vms, u->v[i].vm))
			return true;
	return false;
}

/* What the list is of: all devices, or those that these qubes offer, have or were assigned. */
struct listing {
	struct qvm_table table;
	struct strv vms;
	bool every;
	struct users shown;    /* beside each device */
	struct users assigned; /* to those qubes, where `shown` tells of what is attached */
};

static void listing_free(struct listing *l)
{
	qvm_table_free(&l->table);
	strv_free(&l->vms);
	users_free(&l->shown);
	users_free(&l->assigned);
}

static void add_rows(struct listing *l, const char *backend, struct blob text)
{
	bool offered = l->every || strv_contains(&l->vms, backend);
	struct blob line;

	while (blob_token(&text, '\n', &line)) {
		_cleanup_arena_ struct arena *a = arena_new();
		const char *port = qvm_line_value(a, line, "port_id"), *name = qvm_line_value(a, line, "name"),
			   *vendor = qvm_line_value(a, line, "vendor"),
			   *product = qvm_line_value(a, line, "product"),
			   *sbdf = with_sbdf ? qvm_line_value(a, line, "_sbdf") : NULL;
		const char *place = arena_printf(a, "%s:%s", backend, port ? port : "");
		const char *ids = arena_printf(a, "%s%s%s", vendor ? vendor : "", vendor ? " " : "",
					       product ? product : "");
		_cleanup_free_ char *users = users_text(&l->shown, place);

		if (!offered && !is_user(&l->shown, &l->vms, place) && !is_user(&l->assigned, &l->vms, place))
			continue;
		qvm_table_add(&l->table, sbdf ? arena_printf(a, "%s (%s)", place, sbdf) : place);
		qvm_table_add(&l->table, name ? name : ids);
		qvm_table_add(&l->table, users);
	}
}

static int list_users(struct listing *l, const struct qvm_list *vms, const char *class)
{
	const char *what = assignments || !strcmp(class, "pci") ? "Assigned" : "Attached";
	int r = 0;

	for (size_t i = 0; !r && i < vms->n; i++) {
		if (!strcmp(vms->v[i].class, "AdminVM"))
			continue;
		r = add_users(&l->shown, class, vms->v[i].name, what);
		if (!r && strcmp(what, "Assigned") != 0 && strv_contains(&l->vms, vms->v[i].name))
			r = add_users(&l->assigned, class, vms->v[i].name, "Assigned");
	}
	return r;
}

/* Of the qubes that are named; without names, of all. */
static int list(const char *class, const struct strv *names)
{
	static const char *const head[] = {"backend:devid", "description", "used by", NULL};
	_cleanup_free_ char *available = method_of(class, "Available");
	_cleanup_(listing_free) struct listing l = {.table = {.head = head}, .every = !names->n && !all};
	_cleanup_list_ struct qvm_list vms = {0};
	int r = qvm_list_read(&vms);

	if (!r && !l.every && qvm_select(&vms, names, all, &excluded, &l.vms))
		r = QVM_FAILED;
	if (!r)
		r = list_users(&l, &vms, class);
	for (size_t i = 0; !r && i < vms.n; i++) {
		_cleanup_strbuf_ struct strbuf out = {0};

		r = qvm_call(vms.v[i].name, available, NULL, NULL, &out);
		if (!r)
			add_rows(&l, vms.v[i].name, strbuf_blob(&out));
	}
	if (!r)
		qvm_table_print(&l.table, as_json, false);
	return r;
}

static int info(const char *class, const struct strv *operands)
{
	_cleanup_place_ struct place p = place_of(operands->n > 1 ? operands->v[operands->n - 1] : "");
	_cleanup_free_ char *method = method_of(class, "Available");
	_cleanup_strbuf_ struct strbuf out = {0};
	int r;

	if (!p.port)
		return QVM_USAGE;
	r = qvm_call(p.backend, method, p.port, NULL, &out);
	if (!r && !out.n) {
		fprintf(stderr, "%s: no such device: %s:%s\n", qvm_name, p.backend, p.port);
		return QVM_FAILED;
	}
	fwrite(out.p ? out.p : "", 1, out.n, stdout);
	return r;
}

/* Options and the mode, as a serialized assignment. */
static char *payload(const char *mode)
{
	struct strbuf s = {0};

	device_add_value(&s, "mode", mode);
	for (size_t i = 0; i < settings.n; i++) {
		_cleanup_free_ char *key = xasprintf("_%s", settings.v[i]);
		char *equals = strchr(key, '=');

		if (equals)
			*equals = 0;
		device_add_value(&s, key, equals ? equals + 1 : "yes");
	}
	if (read_only)
		device_add_value(&s, "_read-only", "yes");
	return strbuf_steal(&s);
}

/* Is the device in that port? One of PCI may also be named by its address, as qubesd takes it. */
static bool is_at(struct blob line, const char *port)
{
	_cleanup_arena_ struct arena *a = arena_new();
	const char *is = qvm_line_value(a, line, "port_id"), *sbdf = qvm_line_value(a, line, "_sbdf");
	char *address = arena_strdup(a, sbdf ? sbdf : "");

	for (char *p = address; *p; p++)
		*p = *p == ':' ? '_' : *p;
	return (is && !strcmp(is, port)) || !strcmp(address, port) ||
	       (!strncmp(address, "0000_", 5) && !strcmp(address + 5, port));
}

/* What is in that port now, so that another device there later is not meant. Allocated; NULL after a message. */
static char *id_there(const char *class, const struct place *p)
{
	_cleanup_free_ char *method = method_of(class, "Available");
	_cleanup_strbuf_ struct strbuf out = {0};
	struct blob rest, line;

	if (qvm_call(p->backend, method, NULL, NULL, &out))
		return NULL;
	rest = strbuf_blob(&out);
	while (blob_token(&rest, '\n', &line)) {
		_cleanup_arena_ struct arena *a = arena_new();
		const char *id = is_at(line, p->port) ? qvm_line_value(a, line, "device_id") : NULL;

		if (id)
			return xstrdup(id);
	}
	fprintf(stderr, "%s: no such device: %s:%s; --port means whatever will be there\n", qvm_name, p->backend,
		p->port);
	return NULL;
}

/* VM DEVICE: assigns or attaches it. */
static int give(const char *class, const char *what, const struct strv *operands, const char *mode)
{
	_cleanup_place_ struct place p = place_of(operands->n > 2 ? operands->v[2] : "");
	_cleanup_free_ char *method = method_of(class, what), *text = payload(mode), *id = NULL, *argument = NULL;

	if (!p.port)
		return QVM_USAGE;
	id = by_port ? xstrdup("*") : p.id ? xstrdup(p.id) : id_there(class, &p);
	if (!id)
		return QVM_FAILED;
	argument = qvm_device_argument(p.backend, p.port, id);
	return qvm_call(operands->v[1], method, argument, text, NULL);
}

static bool is_halted(const char *vm)
{
	_cleanup_list_ struct qvm_list list = {0};
	const struct qvm_vm *found = qvm_list_read(&list) ? NULL : qvm_list_find(&list, vm);

	return found && !strcmp(found->state, "Halted");
}

/* PCI devices come and go with their qube: for them it is the assignment alone. */
static int attach(const char *class, const struct strv *operands)
{
	int r;

	if (!persistent)
		return give(class, "Attach", operands, "manual");
	r = give(class, "Assign", operands, "required");
	return r || !strcmp(class, "pci") || is_halted(operands->v[1]) ? r : give(class, "Attach", operands, "manual");
}

/* VM DEVICE: takes it away again, whatever it is by now. */
static int take(const char *class, const char *what, const struct strv *operands)
{
	_cleanup_place_ struct place p = place_of(operands->v[2]);
	_cleanup_free_ char *method = method_of(class, what), *argument = NULL;

	if (!p.port)
		return QVM_USAGE;
	argument = qvm_device_argument(p.backend, p.port, "*");
	return qvm_call(operands->v[1], method, argument, NULL, NULL);
}

/* Without a device: all of them. */
static int take_all(const char *class, const char *what, const char *listing, const struct strv *operands)
{
	_cleanup_free_ char *list_method = method_of(class, listing), *method = method_of(class, what);
	_cleanup_strbuf_ struct strbuf out = {0};
	struct blob rest, line;
	int r;

	if (operands->n > 2)
		return take(class, what, operands);
	if (operands->n < 2)
		return QVM_USAGE;
	r = qvm_call(operands->v[1], list_method, NULL, NULL, &out);
	rest = strbuf_blob(&out);
	while (!r && blob_token(&rest, '\n', &line)) {
		_cleanup_arena_ struct arena *a = arena_new();
		const char *backend = qvm_line_value(a, line, "backend_domain"),
			   *port = qvm_line_value(a, line, "port_id");
		const char *argument = arena_printf(a, "%s+%s+_", backend ? backend : "", port ? port : "");

		r = qvm_call(operands->v[1], method, argument, NULL, NULL);
	}
	return r;
}

static int act(const char *class, const struct strv *operands)
{
	const char *word = operands->n ? operands->v[0] : "list";

	if (qvm_word(word, "list", "ls", "l"))
		return list(class, &(struct strv){operands->n ? operands->v + 1 : NULL,
						  operands->n ? operands->n - 1 : 0});
	if (qvm_word(word, "info", "i", NULL))
		return info(class, operands);
	if (qvm_word(word, "unassign", "u", NULL))
		return take_all(class, "Unassign", "Assigned", operands);
	if (qvm_word(word, "detach", "d", "dt"))
		return take_all(class, "Detach", "Attached", operands);
	if (qvm_word(word, "assign", "s", NULL))
		return give(class, "Assign", operands,
			    required || !strcmp(class, "pci") ? "required" : "auto-attach");
	return qvm_word(word, "attach", "at", "a") ? attach(class, operands) : QVM_USAGE;
}

int qvm_device(int argc, char **argv)
{
	static const struct option_def options[] = {
		QVM_COMMON,
		{"all", 0, OPTION_FLAG, &all, NULL, "list: of every qube but dom0"},
		{"exclude", 0, OPTION_LIST, &excluded, "VM", "list --all: not of this one"},
		{"option", 'o', OPTION_LIST, &settings, "KEY=VALUE", "an option of the assignment"},
		{"ro", 0, OPTION_FLAG, &read_only, NULL, "the same as -o read-only=yes"},
		{"required", 'r', OPTION_FLAG, &required, NULL,
		 "assign: the qube does not start without it"},
		{"ask", 0, OPTION_FLAG, &ask, NULL, NULL},
		{"ask-to-attach", 0, OPTION_FLAG, &ask, NULL, NULL},
		{"port", 0, OPTION_FLAG, &by_port, NULL,
		 "assign, attach: whatever device is in that port, not only the one that is there now"},
		{"persistent", 'p', OPTION_FLAG, &persistent, NULL, "attach: assign with --required as well"},
		{"assignments", 's', OPTION_FLAG, &assignments, NULL,
		 "list: what is assigned, not what is attached"},
		{"with-sbdf", 0, OPTION_FLAG, &with_sbdf, NULL, "list: also the addresses of PCI devices"},
		{"json", 0, OPTION_FLAG, &as_json, NULL, "list as JSON"},
		{0},
	};
	static const struct command_line cmd = {
		"qvm-device",
		"CLASS [list [VM]... | info BACKEND:PORT | assign VM BACKEND:PORT[:ID] | "
		"unassign VM [BACKEND:PORT] | attach VM BACKEND:PORT[:ID] | "
		"detach VM [BACKEND:PORT]]",
		"Look at devices and give them to qubes.",
		"CLASS is pci or block; qvm-pci and qvm-block have it in their name. list shows what the\n"
		"qubes offer, have or were assigned. assign is for good, attach while both qubes run.",
		options,
		false};
	_cleanup_strv_ struct strv operands = {0};
	enum options_result parsed = options_parse(&cmd, argc, argv, &operands);
	bool named = !strcmp(qvm_name, "qvm-device");
	const char *class = named ? (operands.n ? operands.v[0] : NULL) : qvm_name + 4;
	int r;

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? 0 : 2;
	if (ask)
		return options_wrong(&cmd, "--ask: nothing here can ask yet");
	if (!class)
		return options_wrong(&cmd, "a class of devices is needed");
	r = act(class, &(struct strv){operands.v + (named && operands.n),
				      operands.n - (named && operands.n)});
	return r == QVM_USAGE ? options_wrong(&cmd, "that is no complete command") : r;
}
