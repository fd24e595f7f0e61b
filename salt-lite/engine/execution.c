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

FUNCTION(pillar_get) { (void)self; return lookup(h, salt_of(h)->pillar, c); }
FUNCTION(grains_get) { (void)self; return lookup(h, salt_of(h)->grains, c); }

static const struct value *command(struct heap *h, const struct call *c, bool code)
{
	_cleanup_strbuf_ struct strbuf out = {0};
	struct salt *s = salt_of(h);
	const struct value *user = map_get_str(c->named, "runas");
	struct blob text = call_text(h, c, 0, "cmd", "");
	const struct value *v;
	int r = shell_run(s,
			  &(struct shell){.command = arena_strndup(h->arena, text.p, text.n),
					  .user = user ? value_cstr(h, user) : NULL,
					  .timeout = (long)call_int(h, c, 9, "timeout", 0),
					  .env = map_get_str(c->named, "env")},
			  &out);

	v = code ? value_int(h, r) : value_blob(h, blob_trim(strbuf_blob(&out)));
	return v;
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

static const struct {
	const char *name;
	value_function call;
} functions[] = {{"pillar.get", pillar_get},   {"grains.get", grains_get}, {"cmd.shell", cmd_shell},
		 {"cmd.run", cmd_shell},       {"cmd.run_stdout", cmd_shell}, {"cmd.retcode", cmd_retcode},
		 {"group.info", group_info},   {"file.file_exists", file_exists},
		 {"file.directory_exists", directory_exists}, {"test.ping", test_ping}};

/* *data is what the function is told of itself. */
static value_function function_named(const char *name, const void **data)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		if (!strcmp(functions[i].name, name))
			return functions[i].call;
	*data = qvm_function_find(name);
	return *data ? qvm_function_call : NULL;
}

static _Noreturn void not_supported(struct heap *h, const char *name)
{
	heap_fail_remedy(h, "docs/salt-lite.md lists those that are", "the function %s is not supported", name);
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
