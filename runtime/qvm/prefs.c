/* qvm-prefs and qubes-prefs. */
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "runtime/qvm/qvm.h"

static bool reset, hide_default, help_properties, as_json, get_flag, set_flag;

/* `admin.vm.property` or `admin.property`, with the function's name. */
static char *method(bool global, const char *function)
{
	return xasprintf("admin.%sproperty.%s", global ? "" : "vm.", function);
}

static char *unescape(struct blob value)
{
	char *copy = blob_dup(value), *to = copy;

	for (const char *p = copy; *p; p++) {
		if (p[0] == '\\' && p[1]) {
			p++;
			*to++ = *p == 'n' ? '\n' : *p;
		} else {
			*to++ = *p;
		}
	}
	*to = 0;
	return copy;
}

static bool is_none(const struct admin_property *v)
{
	return blob_eq_str(v->type, "vm") && !v->value.n;
}

static json_t *json_value(const struct admin_property *v, const char *text)
{
	uint64_t n;

	if (is_none(v))
		return json_null();
	if (blob_eq_str(v->type, "bool"))
		return json_boolean(blob_eq_str(v->value, "True"));
	if (blob_eq_str(v->type, "int") && blob_to_u64(v->value, INT64_MAX, &n))
		return json_integer((json_int_t)n);
	return json_string(text);
}

/* `name  D  value`, by name, D for a default and - for a value that was set. */
static int print_all(const char *vm, bool global)
{
	_cleanup_strbuf_ struct strbuf out = {0};
	_cleanup_free_ char *get_all = method(global, "GetAll");
	_cleanup_strv_ struct strv lines = {0};
	json_t *json = as_json ? json_object() : NULL;
	struct blob rest, line, name;
	int r = qvm_call(vm, get_all, NULL, NULL, &out), width = 0;

	if (r)
		return r;
	rest = strbuf_blob(&out);
	while (blob_token(&rest, '\n', &line)) {
		struct blob word = line;

		strv_push_take(&lines, blob_dup(line));
		blob_token(&word, ' ', &name);
		width = (int)name.n > width ? (int)name.n : width;
	}
	strv_sort(&lines);
	for (size_t i = 0; i < lines.n; i++) {
		_cleanup_free_ char *text = NULL;
		struct admin_property v;

		line = blob_of(lines.v[i]);
		if (!blob_token(&line, ' ', &name) || !admin_property_parse(line, &v) ||
		    (hide_default && v.is_default))
			continue;
		text = unescape(v.value);
		if (json) {
			json_object_setn_new(json, name.p, name.n, json_value(&v, text));
			continue;
		}
		printf("%-*.*s  %c  %s\n", width, BLOB_ARG(name), v.is_default ? 'D' : '-',
		       is_none(&v) ? "None" : text);
	}
	if (json) {
		json_dumpf(json, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(json);
	}
	return 0;
}

static int print_help(const char *vm, bool global)
{
	_cleanup_free_ char *list = method(global, "List"), *help = method(global, "Help");
	_cleanup_strbuf_ struct strbuf out = {0};
	int r = qvm_call(vm, list, NULL, NULL, &out);
	struct blob rest = strbuf_blob(&out), name;

	while (r == 0 && blob_token(&rest, '\n', &name)) {
		_cleanup_strbuf_ struct strbuf text = {0};
		_cleanup_free_ char *argument = blob_dup(name);

		r = qvm_call(vm, help, argument, NULL, &text);
		printf("%-24s %s\n", argument, text.p ? text.p : "");
	}
	return r;
}

static int print_one(const char *vm, bool global, const char *name)
{
	_cleanup_free_ char *get = method(global, "Get");
	_cleanup_strbuf_ struct strbuf out = {0};
	struct admin_property v;
	int r = qvm_call(vm, get, name, NULL, &out);

	if (r)
		return r;
	if (!admin_property_parse(strbuf_blob(&out), &v)) {
		fprintf(stderr, "%s: qubesd sent something else than a value\n", qvm_name);
		return QVM_FAILED;
	}
	if (!is_none(&v))
		printf("%.*s\n", BLOB_ARG(v.value));
	return 0;
}

static bool holds_a_qube(const char *vm, bool global, const char *name)
{
	_cleanup_free_ char *get = method(global, "Get");
	_cleanup_admin_error_ struct admin_error err = {0};
	_cleanup_strbuf_ struct strbuf out = {0};
	struct admin_property v;

	return admin_call(&qvm_admin, vm, get, name, (struct blob){0}, &out, &err) == 0 &&
	       admin_property_parse(strbuf_blob(&out), &v) && blob_eq_str(v.type, "vm");
}

/* `none` stands for no qube. */
static int set_one(const char *vm, bool global, const char *name, const char *value)
{
	_cleanup_free_ char *set = method(global, "Set");
	bool none = !strcasecmp(value, "none") && holds_a_qube(vm, global, name);

	return qvm_call(vm, set, name, none ? "" : value, NULL);
}

/* Properties are also known by names such as Provides-Network. */
static char *property_name(const char *text)
{
	char *name = xstrdup(text);

	for (char *p = name; *p; p++)
		*p = *p == '-' ? '_' : (char)tolower((unsigned char)*p);
	return name;
}

static int prefs(const struct command_line *cmd, int argc, char **argv, bool global)
{
	_cleanup_strv_ struct strv operands = {0};
	enum options_result parsed = options_parse(cmd, argc, argv, &operands);
	_cleanup_free_ char *name = NULL;
	size_t first = global ? 0 : 1;
	const char *vm = "dom0", *value;

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? 0 : 2;
	if (operands.n < first && !help_properties)
		return options_wrong(cmd, "a qube has to be named");
	if (operands.n > first + 2)
		return options_wrong(cmd, "too many operands");
	if (!global && operands.n)
		vm = operands.v[0];
	name = operands.n > first ? property_name(operands.v[first]) : NULL;
	value = operands.n > first + 1 ? operands.v[first + 1] : NULL;
	if (help_properties)
		return print_help(vm, global);
	if (!name)
		return reset ? options_wrong(cmd, "--default needs a property")
			     : print_all(vm, global);
	if (reset) {
		_cleanup_free_ char *reset_method = method(global, "Reset");

		return value ? options_wrong(cmd, "--default takes no value")
			     : qvm_call(vm, reset_method, name, NULL, NULL);
	}
	return value ? set_one(vm, global, name, value) : print_one(vm, global, name);
}

static const struct option_def options[] = {
	QVM_COMMON,
	{"get", 'g', OPTION_FLAG, &get_flag, NULL, NULL},
	{"set", 's', OPTION_FLAG, &set_flag, NULL, NULL},
	{"default", 'D', OPTION_FLAG, &reset, NULL, "back to the default"},
	{"unset", 0, OPTION_FLAG, &reset, NULL, NULL},
	{"delete", 'd', OPTION_FLAG, &reset, NULL, NULL},
	{"hide-default", 0, OPTION_FLAG, &hide_default, NULL, "list only what was set"},
	{"help-properties", 0, OPTION_FLAG, &help_properties, NULL,
	 "list all properties with a line each"},
	{"json", 0, OPTION_FLAG, &as_json, NULL, "list as a JSON object"},
	{0},
};

int qvm_prefs(int argc, char **argv)
{
	static const struct command_line cmd = {"qvm-prefs",
						"VM [PROPERTY [VALUE]]",
						"List, show and set properties of a qube.",
						NULL,
						options,
						false};

	return prefs(&cmd, argc, argv, false);
}

int qubes_prefs(int argc, char **argv)
{
	static const struct command_line cmd = {"qubes-prefs",
						"[PROPERTY [VALUE]]",
						"List, show and set properties of the system.",
						NULL,
						options,
						false};

	return prefs(&cmd, argc, argv, true);
}
