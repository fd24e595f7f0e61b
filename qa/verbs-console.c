#include <fcntl.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"
#include "qa/shell.h"
#include "qa/verbs.h"

int verb_event(struct run *r, const struct yaml_node *args, struct error *err)
{
	static const char *const keys[] = {"name", "with", "timeout", NULL};
	const char *name = NULL, *timeout = "command";
	const struct yaml_node *with = yaml_get(args, "with");
	int e = yaml_check_keys(args, keys, err);

	if (e == 0)
		e = verb_argument(r, args, "name", &name, err);
	if (e == 0)
		e = verb_argument(r, args, "timeout", &timeout, err);
	if (e < 0)
		return e;
	if (!name || (with && with->kind != YAML_MAP))
		return yaml_error(args, err, "wait-event needs a name; 'with' is a map of what the event must hold");
	return run_wait_event(r, name, with, timeout, err);
}

int verb_expect(struct run *r, const struct yaml_node *args, struct error *err)
{
	static const char *const keys[] = {"text", "timeout", NULL};
	const char *text = NULL, *timeout = "command";
	int e = yaml_check_keys(args, keys, err);

	if (e == 0)
		e = verb_argument(r, args, "text", &text, err);
	if (e == 0)
		e = verb_argument(r, args, "timeout", &timeout, err);
	if (e < 0)
		return e;
	return text ? run_expect(r, text, timeout, err) : yaml_error(args, err, "expect needs a text");
}

int verb_login(struct run *r, const struct yaml_node *args, struct error *err)
{
	static const char *const keys[] = {"user", "password", "timeout", NULL};
	const char *user = NULL, *password = NULL, *timeout = "login";
	int e = yaml_check_keys(args, keys, err);

	if (e == 0)
		e = verb_argument(r, args, "user", &user, err);
	if (e == 0)
		e = verb_argument(r, args, "password", &password, err);
	if (e == 0)
		e = verb_argument(r, args, "timeout", &timeout, err);
	if (e < 0)
		return e;
	if (!user)
		return yaml_error(args, err, "login needs a user; without a password it is one that logs in by itself");
	return run_login(r, user, password, timeout, err);
}

/* What the command printed, without the carriage returns of the terminal. */
static struct blob clean(struct strbuf *s)
{
	size_t to = 0;

	for (size_t i = 0; i < s->n; i++)
		if (s->p[i] != '\r')
			s->p[to++] = s->p[i];
	s->n = to;
	return blob_trim(strbuf_blob(s));
}

/* The lines of a file of the project; as a table it is without its comments. */
static int load_lines(const struct yaml_node *args, const char *path, bool table, struct strbuf *out, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct blob rest, line;
	int e = read_file(AT_FDCWD, path, 64 * 1024, &text);

	if (e < 0)
		return yaml_error(args, err, "cannot read %s: %s", path, strerror(-e));
	rest = strbuf_blob(&text);
	while (blob_token(&rest, '\n', &line))
		if (!table || !line.n || line.p[0] != '#')
			strbuf_printf(out, "%.*s\n", BLOB_ARG(line));
	return 0;
}

/* A script keeps its settings to itself. */
static int load_script(struct run *r, const struct yaml_node *args, const char *path, const char **command,
		       struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	int e;

	if (*command)
		return yaml_error(args, err, "run takes a command or a script");
	e = load_lines(args, path, false, &text, err);
	if (e == 0)
		*command = arena_printf(r->arena, "(\n%s)", text.p);
	return e;
}

static int judge_output(const char *command, struct blob got, const char *has, const char *is,
			struct error *err)
{
	if (has && !(got.n && memmem(got.p, got.n, has, strlen(has))))
		return error_set(err, -EIO, command, NULL, "printed no '%s' but:\n%.*s", has, BLOB_ARG(got));
	if (is && !blob_eq(got, blob_trim(blob_of(is))))
		return error_set(err, -EIO, command, NULL, "should print '%s' but printed:\n%.*s", is, BLOB_ARG(got));
	return 0;
}

struct command {
	const char *command, *has, *is, *timeout;
	uint64_t exit;
};

static int command_parse(struct run *r, const struct yaml_node *args, struct command *c, struct error *err)
{
	static const char *const keys[] = {"command", "script", "has", "is", "is-table", "exit", "timeout", NULL};
	const char *script = NULL, *table = NULL;
	const struct {
		const char *key, **value;
	} texts[] = {{"command", &c->command}, {"script", &script},  {"has", &c->has},
		     {"is", &c->is},	       {"is-table", &table}, {"timeout", &c->timeout}};
	_cleanup_strbuf_ struct strbuf text = {0};
	int e = yaml_check_keys(args, keys, err);

	for (size_t i = 0; e == 0 && i < sizeof(texts) / sizeof(*texts); i++)
		e = verb_argument(r, args, texts[i].key, texts[i].value, err);
	if (e == 0)
		e = yaml_u64(args, "exit", 255, &c->exit, err);
	if (e == 0 && script)
		e = load_script(r, args, script, &c->command, err);
	if (e == 0 && table)
		e = load_lines(args, table, true, &text, err);
	if (e == 0 && table)
		c->is = arena_strdup(r->arena, text.p);
	return e == 0 && !c->command ? yaml_error(args, err, "run needs a command") : e;
}

int verb_run(struct run *r, const struct yaml_node *args, struct error *err)
{
	struct command c = {.timeout = "command"};
	_cleanup_strbuf_ struct strbuf out = {0};
	struct blob got;
	int e = command_parse(r, args, &c, err);

	if (e == 0)
		e = run_command(r, c.command, c.timeout, &out, err);
	if (e < 0)
		return e;
	got = clean(&out);
	if ((uint64_t)e != c.exit)
		return error_set(err, -EIO, c.command, NULL, "exit code %d instead of %llu; it printed:\n%.*s", e,
				 (unsigned long long)c.exit, BLOB_ARG(got));
	printf("%.*s%s", BLOB_ARG(got), got.n ? "\n" : "");
	return judge_output(c.command, got, c.has, c.is, err);
}

int verb_send(struct run *r, const struct yaml_node *args, struct error *err)
{
	const char *text = NULL;
	int e = args->kind == YAML_SCALAR ? verb_expand(r, args, args->text, &text, err)
					  : yaml_error(args, err, "send takes a text");

	if (e == 0 && strlen(text) > SHELL_LINE_MAX)
		return yaml_error(args, err, "send takes at most %d bytes: a busy console loses more", SHELL_LINE_MAX);
	return e < 0 ? e : run_send(r, text, err);
}

/* The keys of the menu's entries stand in iso/grub.cfg. */
int verb_menu(struct run *r, const struct yaml_node *args, struct error *err)
{
	int e;

	if (args->kind != YAML_SCALAR || strlen(args->text) != 1)
		return yaml_error(args, err, "menu takes the key of an entry");
	e = run_expect(r, "Install Bulkhead", "boot-menu", err);
	return e < 0 ? e : run_send(r, args->text, err);
}

int verb_screenshot(struct run *r, const struct yaml_node *args, struct error *err)
{
	if (args->kind != YAML_SCALAR || !*args->text)
		return yaml_error(args, err, "screenshot takes a name");
	run_screenshot(r, args->text);
	return 0;
}
