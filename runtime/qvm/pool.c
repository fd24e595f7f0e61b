/* qvm-pool. */
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "runtime/qvm/qvm.h"

static struct strv settings;
static bool as_json;

static int do_list(void)
{
	static const char *const head[] = {"name", "driver", NULL};
	_cleanup_table_ struct qvm_table t = {.head = head};
	_cleanup_strbuf_ struct strbuf names = {0};
	int r = qvm_call("dom0", "admin.pool.List", NULL, NULL, &names);
	struct blob rest = strbuf_blob(&names), one;

	while (!r && blob_token(&rest, '\n', &one)) {
		_cleanup_free_ char *name = blob_dup(one), *driver = NULL;
		_cleanup_strbuf_ struct strbuf info = {0};

		r = qvm_call("dom0", "admin.pool.Info", name, NULL, &info);
		driver = qvm_info_value(&info, "driver");
		qvm_table_add(&t, name);
		qvm_table_add(&t, driver);
	}
	if (!r)
		qvm_table_print(&t, as_json, true);
	return r;
}

static int do_info(const char *name)
{
	static const char *const head[] = {"property", "value", NULL};
	_cleanup_table_ struct qvm_table t = {.head = head};
	_cleanup_strbuf_ struct strbuf info = {0};
	int r = qvm_call("dom0", "admin.pool.Info", name, NULL, &info);

	if (r)
		return r;
	qvm_table_add(&t, "name");
	qvm_table_add(&t, name);
	qvm_table_add_info(&t, &info);
	qvm_table_print(&t, as_json, false);
	return 0;
}

static int do_add(const char *name, const char *driver)
{
	_cleanup_strbuf_ struct strbuf payload = {0};

	strbuf_printf(&payload, "name=%s\n", name);
	for (size_t i = 0; i < settings.n; i++)
		strbuf_printf(&payload, "%s\n", settings.v[i]);
	return qvm_call("dom0", "admin.pool.Add", driver, payload.p, NULL);
}

static int do_set(const char *name)
{
	int r = settings.n ? 0 : QVM_USAGE;

	for (size_t i = 0; !r && i < settings.n; i++) {
		_cleanup_free_ char *key = xstrdup(settings.v[i]), *method = NULL;
		char *value = strchr(key, '=');

		if (!value)
			return QVM_USAGE;
		*value++ = 0;
		method = xasprintf("admin.pool.Set.%s", key);
		r = qvm_call("dom0", method, name, value, NULL);
	}
	return r;
}

static int do_drivers(void)
{
	static const char *const head[] = {"driver", "options", NULL};
	_cleanup_table_ struct qvm_table t = {.head = head};
	_cleanup_strbuf_ struct strbuf out = {0};
	int r = qvm_call("dom0", "admin.pool.ListDrivers", NULL, NULL, &out);
	struct blob rest = strbuf_blob(&out), line, word;

	while (as_json && blob_token(&rest, '\n', &line)) {
		_cleanup_free_ char *name = NULL, *options = NULL;

		blob_word(&line, &word);
		name = blob_dup(word);
		options = blob_dup(line);
		qvm_table_add(&t, name);
		qvm_table_add(&t, options);
	}
	if (as_json && !r)
		qvm_table_print(&t, true, false);
	else
		fwrite(out.p ? out.p : "", 1, out.n, stdout);
	return r;
}

static int act(const struct strv *operands)
{
	const char *word = operands->n ? operands->v[0] : "list";
	const char *name = operands->n > 1 ? operands->v[1] : NULL;

	if (qvm_word(word, "list", "l", "ls"))
		return do_list();
	if (qvm_word(word, "drivers", "d", NULL))
		return do_drivers();
	if (!name)
		return QVM_USAGE;
	if (qvm_word(word, "info", "i", NULL))
		return do_info(name);
	if (qvm_word(word, "add", "a", NULL))
		return operands->n == 3 ? do_add(name, operands->v[2]) : QVM_USAGE;
	if (qvm_word(word, "remove", "r", "rm"))
		return qvm_call("dom0", "admin.pool.Remove", name, NULL, NULL);
	return qvm_word(word, "set", "s", NULL) ? do_set(name) : QVM_USAGE;
}

int qvm_pool(int argc, char **argv)
{
	static const struct option_def options[] = {
		QVM_COMMON,
		{"option", 'o', OPTION_LIST, &settings, "KEY=VALUE", "add, set: a setting"},
		{"json", 0, OPTION_FLAG, &as_json, NULL, "list, info, drivers as JSON"},
		{0},
	};
	static const struct command_line cmd = {
		"qvm-pool",
		"list | info POOL | add POOL DRIVER -o KEY=VALUE... | remove POOL | "
		"set POOL -o KEY=VALUE... | drivers",
		"Look at and change the pools that volumes lie in.",
		NULL,
		options,
		false};
	_cleanup_strv_ struct strv operands = {0};
	enum options_result parsed = options_parse(&cmd, argc, argv, &operands);
	int r;

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? 0 : 2;
	r = act(&operands);
	return r == QVM_USAGE ? options_wrong(&cmd, "that is no complete command") : r;
}
