/* qvm-clone: a new qube with the settings and the data of another one, made by calls of the client. */
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "runtime/qvm/qvm.h"

static const char *class_name, *pool;
static struct strv pools;
static bool ignore_errors;

struct clone {
	const char *from, *to;
};

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

/* Names are asked for one by one: values may have anything in them. */
static int copy_properties(const struct clone *c)
{
	_cleanup_strbuf_ struct strbuf all = {0};
	struct blob rest, line, name;
	int result = qvm_call(c->from, "admin.vm.property.GetAll", NULL, NULL, &all);

	rest = strbuf_blob(&all);
	while (!result && blob_token(&rest, '\n', &line)) {
		_cleanup_free_ char *key = NULL, *value = NULL;
		struct admin_property v;

		if (!blob_token(&line, ' ', &name) || is_own(name) || !admin_property_parse(line, &v) ||
		    v.is_default)
			continue;
		key = blob_dup(name);
		value = property(c->from, key);
		if (!value || qvm_call(c->to, "admin.vm.property.Set", key, value, NULL))
			result = ignore_errors ? 0 : QVM_FAILED;
	}
	return result;
}

static int copy_names(const struct clone *c, const char *what)
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
			result = ignore_errors ? 0 : QVM_FAILED;
	}
	return result;
}

static int copy_rules(const struct clone *c)
{
	_cleanup_strbuf_ struct strbuf rules = {0};
	int r = qvm_call(c->from, "admin.vm.firewall.Get", NULL, NULL, &rules);

	return r ? r : qvm_call(c->to, "admin.vm.firewall.Set", NULL, rules.p, NULL);
}

int qvm_copy_volume(const char *from, const char *from_volume, const char *to, const char *to_volume)
{
	_cleanup_strbuf_ struct strbuf token = {0};
	int r = qvm_call(from, "admin.vm.volume.CloneFrom", from_volume, NULL, &token);

	return r ? r : qvm_call(to, "admin.vm.volume.CloneTo", to_volume, token.p, NULL);
}

/* Of what a volume has, is it there after a stop? */
static bool is_kept(const struct strbuf *info)
{
	_cleanup_free_ char *value = qvm_info_value(info, "save_on_stop");

	return value && !strcmp(value, "True");
}

/* Those that both keep. */
static int copy_volumes(const struct clone *c)
{
	_cleanup_strbuf_ struct strbuf names = {0};
	int result = qvm_call(c->from, "admin.vm.volume.List", NULL, NULL, &names);
	struct blob rest = strbuf_blob(&names), one;

	while (!result && blob_token(&rest, '\n', &one)) {
		_cleanup_free_ char *name = blob_dup(one);
		_cleanup_strbuf_ struct strbuf info = {0}, here = {0};

		result = qvm_call(c->to, "admin.vm.volume.Info", name, NULL, &info);
		if (!result)
			result = qvm_call(c->from, "admin.vm.volume.Info", name, NULL, &here);
		if (result || !is_kept(&info) || !is_kept(&here))
			continue;
		if (!qvm_quiet)
			fprintf(stderr, "%s: %s: copying volume %s\n", qvm_name, c->to, name);
		result = qvm_copy_volume(c->from, name, c->to, name);
	}
	return result;
}

static int create(const struct clone *c, const struct qvm_vm *vm)
{
	_cleanup_free_ char *label = property(c->from, "label"), *template = NULL, *method = NULL;
	_cleanup_strbuf_ struct strbuf payload = {0};
	const char *class = class_name ? class_name : vm->class;

	if (!strcmp(class, "AppVM") || !strcmp(class, "DispVM"))
		template = property(c->from, "template");
	if (!label)
		return QVM_FAILED;
	method = xasprintf("admin.vm.Create%s.%s", pool || pools.n ? "InPool" : "", class);
	strbuf_printf(&payload, "name=%s label=%s", c->to, label);
	qvm_pool_words(&payload, pool, &pools);
	return qvm_call("dom0", method, template, payload.p, NULL);
}

static int fill(const struct clone *c)
{
	int r = copy_properties(c);

	if (!r)
		r = copy_names(c, "feature");
	if (!r)
		r = copy_names(c, "tag");
	if (!r)
		r = copy_rules(c);
	return r ? r : copy_volumes(c);
}

int qvm_clone(int argc, char **argv)
{
	static const struct option_def options[] = {
		QVM_COMMON,
		{"class", 'C', OPTION_STRING, &class_name, "CLASS", "of another class"},
		{"pool", 'p', OPTION_LIST, &pools, "VOLUME=POOL", "pool of one volume"},
		{"pool-all", 'P', OPTION_STRING, &pool, "POOL", "pool of all volumes"},
		{"ignore-errors", 0, OPTION_FLAG, &ignore_errors, NULL,
		 "leave out settings that cannot be copied"},
		{0},
	};
	static const struct command_line cmd = {"qvm-clone", "VM NEW",
						"Make a new qube like another one, with its data.",
						NULL,	     options,  false};
	_cleanup_strv_ struct strv operands = {0};
	_cleanup_list_ struct qvm_list list = {0};
	enum options_result parsed = options_parse(&cmd, argc, argv, &operands);
	const struct qvm_vm *vm;
	struct clone c;
	int r;

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? 0 : 2;
	if (operands.n != 2)
		return options_wrong(&cmd, "a qube and a new name are needed");
	r = qvm_list_read(&list);
	if (r)
		return r;
	vm = qvm_list_find(&list, operands.v[0]);
	if (!vm || !strcmp(vm->class, "AdminVM")) {
		fprintf(stderr, "qvm-clone: no such domain: '%s'\n", operands.v[0]);
		return QVM_FAILED;
	}
	c = (struct clone){vm->name, operands.v[1]};
	r = create(&c, vm);
	if (r)
		return r;
	r = fill(&c);
	/* Half of a qube is of no use. */
	if (r)
		qvm_call(c.to, "admin.vm.Remove", NULL, NULL, NULL);
	return r;
}
