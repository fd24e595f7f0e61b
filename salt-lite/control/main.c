/* qubesctl: options, and what is done in dom0. */
#include <stdio.h>
#include <string.h>

#include "salt-lite/control/control.h"

#include "common/sys/process.h"
#include "common/ui/options.h"

/* state.sls a,b and state.apply a are the same to the engine. */
static int run_engine(const struct control *c)
{
	_cleanup_strv_ struct strv argv = {0};

	control_engine(c, &argv);
	strv_push(&argv, "--quiet");
	strv_push(&argv, "apply");
	control_words(c, &argv);
	return process_run(&(struct process){.argv = (const char *const *)argv.v});
}

bool control_applies(const struct control *c)
{
	const char *command = c->words.v[0];

	return !strcmp(command, "state.highstate") || !strcmp(command, "state.apply") || !strcmp(command, "state.sls");
}

static int run_command(const struct control *c)
{
	const char *command = c->words.v[0];

	if (control_applies(c))
		return run_engine(c);
	/* There is no cache to clear and nothing to copy: scripts for Qubes OS call these before anything else. */
	if (!strcmp(command, "saltutil.clear_cache") || !strcmp(command, "saltutil.sync_all"))
		return 0;
	if (!strcmp(command, "test.ping"))
		return puts("local:\n    True") < 0;
	return control_top(c);
}

static int run(const struct control *c, const struct command_line *cmd)
{
	int code;

	if (c->targets && c->all)
		return options_wrong(cmd, "--targets and --all exclude each other"), CONTROL_USAGE;
	if (!c->words.n)
		return options_wrong(cmd, "a command is needed, such as state.highstate"), CONTROL_USAGE;
	if (c->max_concurrency < 1)
		return options_wrong(cmd, "--max-concurrency needs at least 1"), CONTROL_USAGE;
	code = c->skip_dom0 ? 0 : run_command(c);
	if (c->dom0_only || !control_has_targets(c))
		return code;
	if (code) {
		fprintf(stderr, "DOM0 configuration failed, not continuing\n");
		return 1;
	}
	return control_apply_targets(c);
}

int main(int argc, char **argv)
{
	struct control c = {.srv = "/srv", .engine = "salt-lite", .log_folder = "/var/log/qubes",
			    .policy_folder = "/etc/qubes/policy.d", .run_folder = "/run/qubes",
			    .max_concurrency = 4};
	const struct option_def options[] = {
		{"show-output", 0, OPTION_FLAG, &c.show_output, NULL, "show what each qube printed"},
		{"force-color", 0, OPTION_FLAG, &c.force_color, NULL, "let control characters of qubes through (UNSAFE)"},
		{"skip-dom0", 0, OPTION_FLAG, &c.skip_dom0, NULL, "do not configure dom0"},
		{"dom0-only", 0, OPTION_FLAG, &c.dom0_only, NULL, "configure dom0 alone"},
		{"max-concurrency", 0, OPTION_NUMBER, &c.max_concurrency, "N", "qubes at the same time (4)"},
		{"skip-top-check", 0, OPTION_FLAG, &c.skip_top_check, NULL, "also start qubes that have no states"},
		{"sync-extmods", 0, OPTION_FLAG, &c.sync_extmods, NULL, NULL},
		{"targets", 0, OPTION_STRING, &c.targets, "VM,VM", "these qubes"},
		{"all", 0, OPTION_FLAG, &c.all, NULL, "every qube that is no disposable"},
		{"templates", 0, OPTION_FLAG, &c.templates, NULL, "all templates"},
		{"standalones", 0, OPTION_FLAG, &c.standalones, NULL, "all standalone qubes"},
		{"app", 0, OPTION_FLAG, &c.app, NULL, "all app qubes"},
		{"srv", 0, OPTION_STRING, &c.srv, "DIR", "where the state files lie (/srv)"},
		{"engine", 0, OPTION_STRING, &c.engine, "PROGRAM", NULL},
		{"engine-option", 0, OPTION_LIST, &c.engine_options, "OPTION", NULL},
		{"qubesd", 0, OPTION_STRING, &c.socket, "SOCKET", NULL},
		{"log-folder", 0, OPTION_STRING, &c.log_folder, "DIR", NULL},
		{"policy-folder", 0, OPTION_STRING, &c.policy_folder, "DIR", NULL},
		{"run-folder", 0, OPTION_STRING, &c.run_folder, "DIR", NULL},
		{0},
	};
	const struct command_line cmd = {"qubesctl", "COMMAND [ARGUMENT]...",
					 "Configures dom0 and qubes as their state files say.",
					 "COMMAND: state.highstate, state.apply SLS, state.sls SLS, top.enable NAME, "
					 "top.disable NAME, top.enabled.",
					 options, true};
	enum options_result parsed = options_parse(&cmd, argc, argv, &c.words);
	int code = parsed == OPTIONS_OK ? run(&c, &cmd) : parsed == OPTIONS_HELP ? 0 : CONTROL_USAGE;

	strv_free(&c.words);
	strv_free(&c.engine_options);
	return code;
}
