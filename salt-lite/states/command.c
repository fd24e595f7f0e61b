/* cmd.* and test.* */
#include "salt-lite/engine/salt.h"

static void run_command(struct salt *s, struct chunk *c)
{
	_cleanup_strbuf_ struct strbuf out = {0};
	const struct value *timeout = arg(c, "timeout");
	int code;

	if (s->test) {
		result_say(s, c, "Command \"%s\" would have been executed", c->name);
		result_change(s, c, "cmd", value_string(&s->h, c->name));
		return;
	}
	code = shell_run(s, c->name, arg_text(s, c, "runas", NULL), arg_text(s, c, "cwd", NULL),
			 timeout && timeout->kind == V_INT ? (long)timeout->i : 0, &out);
	if (code < 0)
		result_fail(s, c, "Command \"%s\" cannot be started: %s", c->name, strerror(-code));
	else if (code)
		result_fail(s, c, "Command \"%s\" run, exit code %d%s", c->name, code,
			    code == 124 ? " (it ran into its timeout)" : "");
	else
		result_say(s, c, "Command \"%s\" run", c->name);
	result_change(s, c, "retcode", value_int(&s->h, code));
	if (!arg_bool(c, "hide_output", false))
		result_change(s, c, "stdout", value_blob(&s->h, blob_trim(strbuf_blob(&out))));
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

const struct state_function command_states[] = {
	{"cmd", "run", run_command, "cwd hide_output runas timeout", run_command},
	{"cmd", "wait", wait_command, "cwd hide_output runas timeout", run_command},
	{"test", "nop", succeed, "*", succeed_changes},
	{"test", "succeed_without_changes", succeed, "", succeed_changes},
	{"test", "succeed_with_changes", succeed_changes, "", NULL},
	{"test", "fail_without_changes", fail, "", NULL},
	{"test", "fail_with_changes", fail_changes, "", NULL},
	{0},
};
