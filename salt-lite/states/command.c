/* cmd.* and test.* */
#include <sys/stat.h>

#include "common/sys/file.h"
#include "salt-lite/states/state.h"

/* stateful: the last line says whether something changed, "changed=yes comment='...'". */
static bool stateful_same(struct salt *s, struct chunk *c, struct blob out)
{
	struct blob line = blob_last_line(out), word;
	bool changed = true;

	while (blob_word(&line, &word))
		if (blob_has_prefix(word, "changed="))
			changed = !blob_eq_str(word, "changed=no") && !blob_eq_str(word, "changed=False");
	if (!changed)
		result_say(s, c, "Nothing changed, it says");
	return !changed;
}

static void run_shell(struct salt *s, struct chunk *c, const char *command)
{
	_cleanup_strbuf_ struct strbuf out = {0};
	const struct value *timeout = arg(c, "timeout");
	struct shell shell = {.command = command,
			      .user = arg_text(s, c, "runas", NULL),
			      .cwd = arg_text(s, c, "cwd", NULL),
			      .timeout = timeout && timeout->kind == V_INT ? (long)timeout->i : 0,
			      .env = arg(c, "env")};
	int code = shell_run(s, &shell, &out);

	if (code < 0)
		result_fail(s, c, "Command \"%s\" cannot be started: %s", c->name, strerror(-code));
	else if (code)
		result_fail(s, c, "Command \"%s\" run, exit code %d%s", c->name, code,
			    code == 124 && shell.timeout ? " (it ran into its timeout)" : "");
	else
		result_say(s, c, "Command \"%s\" run", c->name);
	if (!code && arg_bool(c, "stateful", false) && stateful_same(s, c, strbuf_blob(&out)))
		return;
	result_change(s, c, "retcode", value_int(&s->h, code));
	if (!arg_bool(c, "hide_output", false))
		result_change(s, c, "stdout", value_blob(&s->h, blob_trim(strbuf_blob(&out))));
}

static bool only_said(struct salt *s, struct chunk *c)
{
	if (!s->test)
		return false;
	result_say(s, c, "Command \"%s\" would have been executed", c->name);
	result_change(s, c, "cmd", value_string(&s->h, c->name));
	return true;
}

static void run_command(struct salt *s, struct chunk *c)
{
	if (!only_said(s, c))
		run_shell(s, c, c->name);
}

/* A script of the file roots, in a file that only its user reads. */
static const char *script_file(struct salt *s, struct chunk *c, struct blob text)
{
	const char *user = arg_text(s, c, "runas", NULL);
	int64_t uid = user ? account_id(s, "/etc/passwd", user) : (int64_t)geteuid();
	char *path = arena_strdup(s->h.arena, "/tmp/salt-lite-script.XXXXXX");
	int fd = mkstemp(path), r;

	if (fd < 0)
		heap_fail(&s->h, "%s cannot be made: %s", path, strerror(errno));
	r = uid < 0 ? -ENOENT : write_all(fd, text.p, text.n);
	if (r == 0 && (fchmod(fd, 0500) < 0 || (user && fchown(fd, (uid_t)uid, (gid_t)-1) < 0)))
		r = -errno;
	close(fd);
	if (r == 0)
		return path;
	unlink(path);
	heap_fail(&s->h, "the script of '%s' cannot be made for %s: %s", c->id, user ? user : "root", strerror(-r));
}

static void run_script(struct salt *s, struct chunk *c)
{
	const char *source = arg_text(s, c, "source", c->name), *args = arg_text(s, c, "args", ""), *from, *path;
	struct blob text;

	if (!salt_read_source(s, source, &text, &from)) {
		result_fail(s, c, "the script %s is in none of the file roots", source);
		return;
	}
	text = file_templated(s, c, from, text);
	if (only_said(s, c))
		return;
	path = script_file(s, c, text);
	run_shell(s, c, arena_printf(s->h.arena, "%s %s", path, args));
	unlink(path);
}

static void wait_command(struct salt *s, struct chunk *c)
{
	result_say(s, c, "Nothing it waits for has changed");
}

static void succeed(struct salt *s, struct chunk *c)
{
	result_say(s, c, "Success!");
}

static void succeed_changes(struct salt *s, struct chunk *c)
{
	result_say(s, c, "Success!");
	result_change(s, c, "testing", value_string(&s->h, "Something pretended to change"));
}

static void fail(struct salt *s, struct chunk *c)
{
	result_fail(s, c, "Failure!");
}

static void fail_changes(struct salt *s, struct chunk *c)
{
	result_change(s, c, "testing", value_string(&s->h, "Something pretended to change"));
	result_fail(s, c, "Failure!");
}

#define SHELL "cwd hide_output timeout env stateful"

const struct state_function command_states[] = {
	{"cmd", "run", run_command, SHELL, run_command},
	{"cmd", "wait", wait_command, SHELL, run_command},
	{"cmd", "script", run_script, SHELL " source args template context defaults", run_script},
	{"test", "nop", succeed, "*", succeed_changes},
	{"test", "succeed_without_changes", succeed, "", succeed_changes},
	{"test", "succeed_with_changes", succeed_changes, "", NULL},
	{"test", "fail_without_changes", fail, "", NULL},
	{"test", "fail_with_changes", fail_changes, "", NULL},
	{0},
};
