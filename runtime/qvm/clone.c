/* qvm-clone: a new qube with the settings and the data of another one, made by calls of the client. */
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "runtime/qubesd/device.h"
#include "runtime/qvm/qvm.h"

/* What is made for each qube or would be set twice. */
static bool is_own(struct blob name)
{
	static const char *const own[] = {"name",     "uuid", "qid",	  "template",
					  "label",    "ip",   "ip6",	  "installed_by_rpm",
					  "autostart", "mac", "dispid", "backup_timestamp"};

	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		if (blob_eq_str(name, own[i]))
			return true;
	return false;
}

static char *property(const char *vm, const char *name)
{
	_cleanup_strbuf_ struct strbuf out = {0};
	struct admin_property v;

	if (qvm_call(vm, "admin.vm.property.Get", name, NULL, &out) ||
	    !admin_property_parse(strbuf_blob(&out), &v))
		return NULL;
	return blob_dup(v.value);
}

static bool is_true(const struct strbuf *info, const char *key)
{
	_cleanup_free_ char *value = qvm_info_value(info, key);

	return value && !strcmp(value, "True");
}

static int property_names(const char *vm, struct strv *names)
{
	_cleanup_strbuf_ struct strbuf out = {0};
	int r = qvm_call(vm, "admin.vm.property.List", NULL, NULL, &out);
	struct blob rest = strbuf_blob(&out), name;

	while (!r && blob_token(&rest, '\n', &name))
		strv_push_take(names, blob_dup(name));
	return r;
}

/* Those that the new one's class has. They are asked for one by one: values may have anything in them. */
static int copy_properties(const struct qvm_clone *c)
{
	_cleanup_strbuf_ struct strbuf all = {0};
	_cleanup_strv_ struct strv known = {0};
	struct blob rest, line, name;
	int result = property_names(c->to, &known);

	if (!result)
		result = qvm_call(c->from, "admin.vm.property.GetAll", NULL, NULL, &all);
	rest = strbuf_blob(&all);
	while (!result && blob_token(&rest, '\n', &line)) {
		_cleanup_free_ char *key = NULL, *value = NULL;
		struct admin_property v;

		if (!blob_token(&line, ' ', &name) || is_own(name) || !admin_property_parse(line, &v) ||
		    v.is_default)
			continue;
		key = blob_dup(name);
		if (!strv_contains(&known, key))
			continue;
		value = property(c->from, key);
		if (!value || qvm_call(c->to, "admin.vm.property.Set", key, value, NULL))
			result = c->ignore_errors ? 0 : QVM_FAILED;
	}
	return result;
}

static int copy_names(const struct qvm_clone *c, const char *what)
{
	_cleanup_free_ char *list = xasprintf("admin.vm.%s.List", what);
	_cleanup_free_ char *get = xasprintf("admin.vm.%s.Get", what);
	_cleanup_free_ char *set = xasprintf("admin.vm.%s.Set", what);
	_cleanup_strbuf_ struct strbuf names = {0};
	bool tags = !strcmp(what, "tag");
	int result = qvm_call(c->from, list, NULL, NULL, &names);
	struct blob rest = strbuf_blob(&names), one;

	while (!result && blob_token(&rest, '\n', &one)) {
		_cleanup_free_ char *name = blob_dup(one);
		_cleanup_strbuf_ struct strbuf value = {0};

		if (tags && blob_has_prefix(one, "created-by-"))
			continue;
		if ((!tags && qvm_call(c->from, get, name, NULL, &value)) ||
		    qvm_call(c->to, set, name, tags ? NULL : value.p, NULL))
			result = c->ignore_errors ? 0 : QVM_FAILED;
	}
	return result;
}

static int copy_rules(const struct qvm_clone *c)
{
	_cleanup_strbuf_ struct strbuf rules = {0};
	int r = qvm_call(c->from, "admin.vm.firewall.Get", NULL, NULL, &rules);

	return r ? r : qvm_call(c->to, "admin.vm.firewall.Set", NULL, rules.p, NULL);
}

/* A line of Assigned, again for the new qube. */
static int copy_assignment(const struct qvm_clone *c, const char *class, struct blob line)
{
	_cleanup_arena_ struct arena *a = arena_new();
	const char *method = arena_printf(a, "admin.vm.device.%s.Assign", class);
	const char *backend = qvm_line_value(a, line, "backend_domain"), *port = qvm_line_value(a, line, "port_id"),
		   *id = qvm_line_value(a, line, "device_id"), *key, *value;
	_cleanup_free_ char *argument = NULL;
	_cleanup_strbuf_ struct strbuf text = {0};

	if (!backend || !port)
		return 0;
	blob_token(&line, ' ', &(struct blob){0});
	while (admin_next_value(a, &line, &key, &value) > 0)
		if (*key == '_' || !strcmp(key, "mode"))
			device_add_value(&text, key, value);
	argument = qvm_device_argument(backend, port, id ? id : "*");
	return qvm_call(c->to, method, argument, text.p, NULL);
}

static int copy_assignments(const struct qvm_clone *c)
{
	_cleanup_strbuf_ struct strbuf classes = {0};
	int result = qvm_call("dom0", "admin.deviceclass.List", NULL, NULL, &classes);
	struct blob rest = strbuf_blob(&classes), one;

	while (!result && blob_token(&rest, '\n', &one)) {
		_cleanup_free_ char *class = blob_dup(one), *list = xasprintf("admin.vm.device.%s.Assigned", class);
		_cleanup_strbuf_ struct strbuf out = {0};
		struct blob lines, line;

		result = qvm_call(c->from, list, NULL, NULL, &out);
		lines = strbuf_blob(&out);
		while (!result && blob_token(&lines, '\n', &line))
			if (copy_assignment(c, class, line))
				result = c->ignore_errors ? 0 : QVM_FAILED;
	}
	return result;
}

int qvm_copy_volume(const char *from, const char *from_volume, const char *to, const char *to_volume)
{
	_cleanup_strbuf_ struct strbuf token = {0};
	int r = qvm_call(from, "admin.vm.volume.CloneFrom", from_volume, NULL, &token);

	return r ? r : qvm_call(to, "admin.vm.volume.CloneTo", to_volume, token.p, NULL);
}

/* The qube whose volume has the data of this one: of a snapshot it is the template, or what that is made from. */
static int data_owner(const char *vm, const char *volume, char **owner)
{
	_cleanup_strbuf_ struct strbuf info = {0};
	_cleanup_free_ char *template = NULL;
	int r = qvm_call(vm, "admin.vm.volume.Info", volume, NULL, &info);

	if (r)
		return r;
	if (!is_true(&info, "snap_on_start")) {
		*owner = xstrdup(vm);
		return 0;
	}
	template = property(vm, "template");
	return template ? data_owner(template, volume, owner) : QVM_FAILED;
}

/* Those that the new qube keeps. */
static int copy_volumes(const struct qvm_clone *c)
{
	_cleanup_strbuf_ struct strbuf names = {0};
	int result = qvm_call(c->to, "admin.vm.volume.List", NULL, NULL, &names);
	struct blob rest = strbuf_blob(&names), one;

	while (!result && blob_token(&rest, '\n', &one)) {
		_cleanup_free_ char *name = blob_dup(one), *owner = NULL;
		_cleanup_strbuf_ struct strbuf info = {0};

		result = qvm_call(c->to, "admin.vm.volume.Info", name, NULL, &info);
		if (result || !is_true(&info, "save_on_stop") ||
		    (c->without_private && !strcmp(name, "private")))
			continue;
		result = data_owner(c->from, name, &owner);
		if (result)
			continue;
		if (!qvm_quiet)
			fprintf(stderr, "%s: %s: copying volume %s\n", qvm_name, c->to, name);
		result = qvm_copy_volume(owner, name, c->to, name);
	}
	return result;
}

/* Would a new qube's volume be there? Who may not ask gets no pool of its own. */
static bool is_default_pool(const char *volume, const char *pool)
{
	_cleanup_free_ char *name = xasprintf("default_pool_%s", volume);
	_cleanup_admin_error_ struct admin_error err = {0};
	_cleanup_strbuf_ struct strbuf out = {0};
	struct admin_property v;

	return admin_call(&qvm_admin, "dom0", "admin.property.Get", name, (struct blob){0}, &out, &err) < 0 ||
	       !admin_property_parse(strbuf_blob(&out), &v) || blob_eq_str(v.value, pool);
}

static bool has_pool(const struct strv *pools, const char *volume)
{
	size_t n = strlen(volume);

	for (size_t i = 0; i < pools->n; i++)
		if (!strncmp(pools->v[i], volume, n) && pools->v[i][n] == '=')
			return true;
	return false;
}

/* VOLUME=POOL: those wanted, and those where the other qube keeps its data and a new one would not. */
static int choose_pools(const struct qvm_clone *c, struct strv *pools)
{
	_cleanup_strbuf_ struct strbuf names = {0};
	struct blob rest, one;
	int r;

	for (size_t i = 0; i < c->pools->n; i++)
		strv_push(pools, c->pools->v[i]);
	if (c->pool)
		return 0;
	r = qvm_call(c->from, "admin.vm.volume.List", NULL, NULL, &names);
	rest = strbuf_blob(&names);
	while (!r && blob_token(&rest, '\n', &one)) {
		_cleanup_free_ char *name = blob_dup(one), *pool = NULL;
		_cleanup_strbuf_ struct strbuf info = {0};

		if (has_pool(c->pools, name))
			continue;
		r = qvm_call(c->from, "admin.vm.volume.Info", name, NULL, &info);
		pool = qvm_info_value(&info, "pool");
		if (!r && pool && is_true(&info, "save_on_stop") && !is_default_pool(name, pool))
			strv_pushf(pools, "%s=%s", name, pool);
	}
	return r;
}

static int create(const struct qvm_clone *c, const struct qvm_vm *from)
{
	_cleanup_free_ char *label = c->label ? xstrdup(c->label) : property(c->from, "label");
	_cleanup_free_ char *template = NULL, *method = NULL;
	_cleanup_strbuf_ struct strbuf payload = {0};
	_cleanup_strv_ struct strv pools = {0};
	const char *class = c->class ? c->class : from->class;

	if (!strcmp(class, "AppVM") || !strcmp(class, "DispVM"))
		template = property(c->from, "template");
	if (!label || choose_pools(c, &pools))
		return QVM_FAILED;
	method = xasprintf("admin.vm.Create%s.%s", c->pool || pools.n ? "InPool" : "", class);
	strbuf_printf(&payload, "name=%s label=%s", c->to, label);
	qvm_pool_words(&payload, c->pool, &pools);
	return qvm_call("dom0", method, template, payload.p, NULL);
}

static int fill(const struct qvm_clone *c)
{
	int r = copy_properties(c);

	if (!r)
		r = copy_names(c, "feature");
	if (!r)
		r = copy_names(c, "tag");
	if (!r)
		r = copy_rules(c);
	if (!r)
		r = copy_assignments(c);
	return r ? r : copy_volumes(c);
}

int qvm_clone_make(const struct qvm_clone *c)
{
	_cleanup_list_ struct qvm_list list = {0};
	const struct qvm_vm *from;
	int r = qvm_list_read(&list);

	if (r)
		return r;
	from = qvm_list_find(&list, c->from);
	if (!from || !strcmp(from->class, "AdminVM")) {
		fprintf(stderr, "%s: no such domain: '%s'\n", qvm_name, c->from);
		return QVM_FAILED;
	}
	r = create(c, from);
	if (r)
		return r;
	r = fill(c);
	/* Half of a qube is of no use. */
	if (r)
		qvm_call(c->to, "admin.vm.Remove", NULL, NULL, NULL);
	return r;
}

int qvm_clone(int argc, char **argv)
{
	static struct strv pools;
	static struct qvm_clone c = {.pools = &pools};
	static const struct option_def options[] = {
		QVM_COMMON,
		{"class", 'C', OPTION_STRING, &c.class, "CLASS", "of another class"},
		{"pool", 'p', OPTION_LIST, &pools, "VOLUME=POOL", "pool of one volume"},
		{"pool-all", 'P', OPTION_STRING, &c.pool, "POOL", "pool of all volumes"},
		{"ignore-errors", 0, OPTION_FLAG, &c.ignore_errors, NULL,
		 "leave out settings that cannot be copied"},
		{0},
	};
	static const struct command_line cmd = {"qvm-clone", "VM NEW",
						"Make a new qube like another one, with its data.",
						NULL,	     options,  false};
	_cleanup_strv_ struct strv operands = {0};
	enum options_result parsed = options_parse(&cmd, argc, argv, &operands);

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? 0 : 2;
	if (operands.n != 2)
		return options_wrong(&cmd, "a qube and a new name are needed");
	c.from = operands.v[0];
	c.to = operands.v[1];
	return qvm_clone_make(&c);
}
