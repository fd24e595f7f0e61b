/* qvm-features and qvm-tags. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "runtime/qvm/qvm.h"

static bool unset, as_json;

/* One feature without the message that it is missing; exit code 1 says so. */
static int feature_print(const char *vm, const char *name)
{
	_cleanup_admin_error_ struct admin_error err = {0};
	_cleanup_strbuf_ struct strbuf out = {0};
	int r = admin_call(&qvm_admin, vm, "admin.vm.feature.Get", name, (struct blob){0}, &out,
			   &err);

	if (r == -EREMOTEIO && !strcmp(err.type, "QubesFeatureNotFoundError"))
		return 1;
	if (r < 0)
		return qvm_report(vm, r, &err);
	printf("%s\n", out.p ? out.p : "");
	return 0;
}

static int features_print(const char *vm)
{
	_cleanup_strbuf_ struct strbuf out = {0};
	json_t *json = as_json ? json_object() : NULL;
	int r = qvm_call(vm, "admin.vm.feature.List", NULL, NULL, &out), width = 0;
	struct blob rest = strbuf_blob(&out), name;
	_cleanup_strv_ struct strv names = {0};

	while (r == 0 && blob_token(&rest, '\n', &name)) {
		strv_push_take(&names, blob_dup(name));
		width = (int)name.n > width ? (int)name.n : width;
	}
	strv_sort(&names);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		_cleanup_strbuf_ struct strbuf value = {0};

		r = qvm_call(vm, "admin.vm.feature.Get", names.v[i], NULL, &value);
		if (json)
			json_object_set_new(json, names.v[i], json_string(value.p ? value.p : ""));
		else
			printf("%-*s  %s\n", width, names.v[i], value.p ? value.p : "");
	}
	if (json) {
		json_dumpf(json, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(json);
	}
	return r;
}

int qvm_features(int argc, char **argv)
{
	static const struct option_def options[] = {
		QVM_COMMON,
		{"unset", 0, OPTION_FLAG, &unset, NULL, "remove the feature"},
		{"default", 'D', OPTION_FLAG, &unset, NULL, NULL},
		{"delete", 'd', OPTION_FLAG, &unset, NULL, NULL},
		{"json", 0, OPTION_FLAG, &as_json, NULL, "list as a JSON object"},
		{0},
	};
	static const struct command_line cmd = {
		"qvm-features",
		"VM [FEATURE [VALUE]]",
		"List, show and set features of a qube; '' means off.",
		"Exit code 1: the feature is not set.",
		options,
		false};
	_cleanup_strv_ struct strv operands = {0};
	enum options_result parsed = options_parse(&cmd, argc, argv, &operands);

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? 0 : 2;
	if (operands.n < 1 || operands.n > 3)
		return options_wrong(&cmd, "a qube, a feature and a value are all it takes");
	if (unset)
		return operands.n == 2 ? qvm_call(operands.v[0], "admin.vm.feature.Remove",
						  operands.v[1], NULL, NULL)
				       : options_wrong(&cmd, "--unset needs a qube and a feature");
	if (operands.n == 1)
		return features_print(operands.v[0]);
	if (operands.n == 2)
		return feature_print(operands.v[0], operands.v[1]);
	return qvm_call(operands.v[0], "admin.vm.feature.Set", operands.v[1], operands.v[2], NULL);
}

/* All tags; or one of them, with exit code 1 if the qube does not have it. */
static int tags_print(const char *vm, const char *wanted)
{
	_cleanup_strbuf_ struct strbuf out = {0};
	json_t *json = as_json ? json_array() : NULL;
	int r = qvm_call(vm, "admin.vm.tag.List", NULL, NULL, &out);
	struct blob rest = strbuf_blob(&out), tag;
	bool found = !wanted;

	while (!r && blob_token(&rest, '\n', &tag)) {
		if (wanted && !blob_eq_str(tag, wanted))
			continue;
		found = true;
		if (json)
			json_array_append_new(json, json_stringn(tag.p, tag.n));
		else
			printf("%.*s\n", BLOB_ARG(tag));
	}
	if (json) {
		json_dumpf(json, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(json);
	}
	return r ? r : !found;
}

static const char *tag_method(const char *word)
{
	return qvm_word(word, "add", "a", "set") ? "admin.vm.tag.Set"
	       : qvm_word(word, "del", "d", "unset") || !strcmp(word, "u") ? "admin.vm.tag.Remove"
									   : NULL;
}

int qvm_tags(int argc, char **argv)
{
	static const struct option_def options[] = {
		QVM_COMMON,
		{"json", 0, OPTION_FLAG, &as_json, NULL, "list as a JSON array"},
		{0},
	};
	static const struct command_line cmd = {"qvm-tags",
						"VM [list [TAG] | add TAG... | del TAG...]",
						"List and change the tags of a qube.",
						"Exit code 1 of list TAG: the qube does not have it.",
						options,
						false};
	_cleanup_strv_ struct strv operands = {0};
	enum options_result parsed = options_parse(&cmd, argc, argv, &operands);
	const char *method;
	int r = 0;

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? 0 : 2;
	if (!operands.n)
		return options_wrong(&cmd, "a qube has to be named");
	if (operands.n == 1 || qvm_word(operands.v[1], "list", "ls", "l"))
		return tags_print(operands.v[0], operands.n > 2 ? operands.v[2] : NULL);
	method = tag_method(operands.v[1]);
	if (!method)
		return options_wrong(&cmd, "'%s' is none of list, add, del", operands.v[1]);
	if (operands.n < 3)
		return options_wrong(&cmd, "a tag is needed");
	for (size_t i = 2; i < operands.n && r == 0; i++)
		r = qvm_call(operands.v[0], method, operands.v[i], NULL, NULL);
	return r;
}
