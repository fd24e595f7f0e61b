/* Functions that templates call as salt['name'](...). */
#include <fcntl.h>
#include <sys/stat.h>

#include "common/sys/file.h"
#include "salt-lite/engine/salt.h"
#include "salt-lite/jinja/eval.h"
#include "salt-lite/states/qvm.h"

#define FUNCTION(name) static const struct value *name(struct heap *h, const struct value *self, const struct call *c)

static struct salt *salt_of(struct heap *h)
{
	return h->user;
}

const struct value *value_path(struct heap *h, const struct value *v, struct blob path, char separator)
{
	struct blob part;

	while (v && blob_token(&path, separator, &part))
		v = v->kind == V_MAP ? map_get(v, value_blob(h, part)) : NULL;
	return v;
}

static const struct value *lookup(struct heap *h, const struct value *in, const struct call *c)
{
	const struct value *found = value_path(h, in, call_text(h, c, 0, "key", ""), ':');
	const struct value *otherwise = call_arg(c, 1, "default");

	return found ? found : otherwise ? otherwise : value_string(h, "");
}

/* What the pillar has over the default: members over members, new items behind a list's; of two kinds, its value alone. */
static const struct value *merged(struct heap *h, const struct value *otherwise, const struct value *found)
{
	struct value *both;

	if (otherwise->kind == V_MAP && found->kind == V_MAP) {
		both = map_copy(h, otherwise);
		map_merge(h, both, found);
		return both;
	}
	if (!value_is_list(otherwise) || !value_is_list(found))
		return found;
	both = list_new(h);
	for (size_t i = 0; i < otherwise->list.n; i++)
		list_push(h, both, otherwise->list.items[i]);
	for (size_t i = 0; i < found->list.n; i++)
		if (!eval_contains(h, otherwise, found->list.items[i]))
			list_push(h, both, found->list.items[i]);
	return both;
}

FUNCTION(pillar_get)
{
	const struct value *found = lookup(h, salt_of(h)->pillar, c), *otherwise = call_arg(c, 1, "default");

	(void)self;
	return otherwise && call_bool(c, 2, "merge", false) ? merged(h, otherwise, found) : found;
}

FUNCTION(grains_get) { (void)self; return lookup(h, salt_of(h)->grains, c); }

/* No position: the argument has a name alone. */
static const size_t by_name = SIZE_MAX;

static const char *word_arg(struct heap *h, const struct call *c, size_t i, const char *name)
{
	const struct value *v = call_arg(c, i, name);

	return v && v->kind != V_NONE ? value_cstr(h, v) : NULL;
}

static const struct value *command(struct heap *h, const struct call *c, bool code)
{
	_cleanup_strbuf_ struct strbuf out = {0};
	struct blob text = call_text(h, c, 0, "cmd", "");
	struct shell shell = {.command = arena_strndup(h->arena, text.p, text.n),
			      .user = word_arg(h, c, by_name, "runas"),
			      .cwd = word_arg(h, c, 1, "cwd"),
			      .timeout = (long)call_int(h, c, by_name, "timeout", 0),
			      .env = call_arg(c, by_name, "env")};
	int r;

	if (!call_bool(c, by_name, "python_shell", true))
		heap_fail(h, "python_shell=False is not supported: a shell runs each command");
	r = shell_run(salt_of(h), &shell, &out);
	if (r < 0) {
		strbuf_free(&out);
		heap_fail(h, "'%s' cannot be started%s%s: %s", shell.command, shell.cwd ? " in " : "",
			  shell.cwd ? shell.cwd : "", strerror(-r));
	}
	return code ? value_int(h, r) : value_blob(h, blob_trim(strbuf_blob(&out)));
}

FUNCTION(cmd_shell) { (void)self; return command(h, c, false); }
FUNCTION(cmd_retcode) { (void)self; return command(h, c, true); }

FUNCTION(file_exists)
{
	struct blob path = call_text(h, c, 0, "path", "");
	struct stat st;

	(void)self;
	/* As Salt: a folder is no file. */
	return value_bool(stat(rooted(salt_of(h), arena_strndup(h->arena, path.p, path.n)), &st) == 0 &&
			  !S_ISDIR(st.st_mode));
}

FUNCTION(directory_exists)
{
	struct blob path = call_text(h, c, 0, "path", "");
	struct stat st;

	(void)self;
	return value_bool(stat(rooted(salt_of(h), arena_strndup(h->arena, path.p, path.n)), &st) == 0 &&
			  S_ISDIR(st.st_mode));
}

/* The group file is read by us: no library loads modules for it. */
FUNCTION(group_info)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct value *out = map_new(h), *members = list_new(h);
	struct blob rest, line, want = call_text(h, c, 0, "name", "");

	(void)self;
	read_file(AT_FDCWD, rooted(salt_of(h), "/etc/group"), 1 << 20, &text);
	rest = strbuf_blob(&text);
	while (blob_token(&rest, '\n', &line)) {
		struct blob name, password, gid, member;

		if (!blob_token(&line, ':', &name) || !blob_eq(name, want) || !blob_token(&line, ':', &password) ||
		    !blob_token(&line, ':', &gid))
			continue;
		while (blob_token(&line, ',', &member))
			list_push(h, members, value_blob(h, member));
		map_set_str(h, out, "name", value_blob(h, name));
		map_set_str(h, out, "gid", value_blob(h, gid));
		map_set_str(h, out, "members", members);
	}
	return out;
}

FUNCTION(test_ping) { (void)self, (void)h, (void)c; return value_bool(true); }

/* What cmd.* takes by name alone. Nothing comes of the last three, which are about Salt's log. */
#define COMMAND_NAMES "runas env timeout python_shell output_loglevel hide_output ignore_retcode"

static const struct function {
	const char *name;
	value_function call;
	const char *places, *names; /* as call_check() */
} functions[] = {
	{"pillar.get", pillar_get, "key default merge", ""},
	{"grains.get", grains_get, "key default", ""},
	{"cmd.shell", cmd_shell, "cmd cwd", COMMAND_NAMES},
	{"cmd.run", cmd_shell, "cmd cwd", COMMAND_NAMES},
	{"cmd.run_stdout", cmd_shell, "cmd cwd", COMMAND_NAMES},
	{"cmd.retcode", cmd_retcode, "cmd cwd", COMMAND_NAMES},
	{"group.info", group_info, "name", ""},
	{"file.file_exists", file_exists, "path", ""},
	{"file.directory_exists", directory_exists, "path", ""},
	{"test.ping", test_ping, "", ""},
};

/* One of ours: call->data is its line of the table. */
FUNCTION(function_call)
{
	const struct function *f = c->data;

	call_check(h, f->name, c, f->places, f->names);
	return f->call(h, self, c);
}

/* *data is what the function is told of itself. */
static value_function function_named(const char *name, const void **data)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		if (!strcmp(functions[i].name, name)) {
			*data = &functions[i];
			return function_call;
		}
	*data = qvm_function_find(name);
	return *data ? qvm_function_call : NULL;
}

static _Noreturn void not_supported(struct heap *h, const char *name)
{
	heap_fail_remedy(h, SUPPORTED_LIST, "the function %s is not supported", name);
}

const struct value *execution_call(struct salt *s, const char *name, const struct call *call)
{
	struct call with = *call;
	value_function f = function_named(name, &with.data);

	if (!f)
		not_supported(&s->h, name);
	return f(&s->h, NULL, &with);
}

static const struct value *find_function(struct heap *h, const struct value *self, const struct call *c)
{
	const char *name = value_cstr(h, c->args[0]);
	const void *data = NULL;
	value_function f;

	if (self)
		name = arena_printf(h->arena, "%s.%s", value_cstr(h, self), name);
	f = function_named(name, &data);
	if (f)
		return value_function_new(h, name, f, NULL, data);
	if (!strchr(name, '.'))
		return value_function_new(h, NULL, find_function, value_string(h, name), NULL);
	not_supported(h, name);
}

const struct value *execution_library(struct salt *s)
{
	return value_function_new(&s->h, NULL, find_function, NULL, NULL);
}
