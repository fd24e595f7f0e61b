/*
 * qubesctl: the state engine's front in dom0. Here: commands for dom0 itself (ref/distro.md 5.4). Qubes as targets are
 * refused until states can be applied in them.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "common/sys/file.h"
#include "common/sys/process.h"
#include "common/ui/options.h"

struct request {
	bool show_output, force_color, skip_dom0, skip_top_check, sync_extmods, dom0_only;
	bool all, templates, standalones, app;
	const char *targets, *srv, *engine;
	long max_concurrency;
	struct strv engine_options, words;
};

static const char *const file_roots[] = {"salt", "user_salt", NULL};
static const char *const pillar_roots[] = {"pillar", "pillar/base", "user_pillar", NULL};

static void add_roots(const struct request *r, const char *option, const char *const *names, struct strv *argv)
{
	for (; *names; names++) {
		_cleanup_strbuf_ struct strbuf path = {0};

		strbuf_printf(&path, "%s/%s", r->srv, *names);
		if (access(path.p, F_OK) < 0)
			continue;
		strv_push(argv, option);
		strv_push(argv, path.p);
	}
}

/* Runs the engine; state.sls a,b and state.apply a are the same to it. */
static int run_engine(const struct request *r)
{
	_cleanup_strv_ struct strv argv = {0};

	strv_push(&argv, r->engine);
	strv_push(&argv, "--quiet");
	for (size_t i = 0; i < r->engine_options.n; i++)
		strv_push(&argv, r->engine_options.v[i]);
	add_roots(r, "--file-roots", file_roots, &argv);
	add_roots(r, "--pillar-roots", pillar_roots, &argv);
	strv_push(&argv, "apply");
	for (size_t i = 1; i < r->words.n; i++) {
		struct blob rest = blob_of(r->words.v[i]), name;

		while (blob_token(&rest, ',', &name))
			strv_push_take(&argv, blob_dup(name));
	}
	return process_run(&(struct process){.argv = (const char *const *)argv.v});
}

/* The tree that a top name is of: pillar=True says the pillar's. */
static const char *tree(const struct request *r)
{
	return strv_contains(&r->words, "pillar=True") || strv_contains(&r->words, "pillar=true") ? "pillar" : "salt";
}

static int enable(const struct request *r, const char *name, bool on)
{
	_cleanup_strbuf_ struct strbuf link = {0}, target = {0}, path = {0};

	strbuf_printf(&link, "%s/%s/_tops/base/%s.top", r->srv, tree(r), name);
	strbuf_add_str(&path, name);
	for (char *p = path.p; *p; p++)
		*p = *p == '.' ? '/' : *p;
	strbuf_printf(&target, "%s/%s/%s.top", r->srv, tree(r), path.p);
	if (!on) {
		if (unlink(link.p) < 0 && errno != ENOENT) {
			fprintf(stderr, "qubesctl: %s: cannot be disabled: %s\n", name, strerror(errno));
			return 1;
		}
		return 0;
	}
	if (access(target.p, F_OK) < 0) {
		fprintf(stderr, "qubesctl: %s: there is no %s; check the name\n", name, target.p);
		return 1;
	}
	mkdir_parents(AT_FDCWD, link.p, 0755);
	if (symlink(target.p, link.p) < 0 && errno != EEXIST) {
		fprintf(stderr, "qubesctl: %s: cannot be enabled: %s\n", name, strerror(errno));
		return 1;
	}
	return 0;
}

static int enabled(const struct request *r)
{
	_cleanup_strbuf_ struct strbuf path = {0};
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_strv_ struct strv names = {0};
	struct dirent *entry;

	strbuf_printf(&path, "%s/%s/_tops/base", r->srv, tree(r));
	dir = opendir(path.p);
	while (dir && (entry = readdir(dir)))
		if (blob_has_suffix(blob_of(entry->d_name), ".top"))
			strv_pushf(&names, "%.*s", (int)strlen(entry->d_name) - 4, entry->d_name);
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++)
		puts(names.v[i]);
	return 0;
}

static int run_command(const struct request *r)
{
	const char *command = r->words.v[0];
	bool on = !strcmp(command, "top.enable");
	int code = 0;

	if (!strcmp(command, "state.highstate") || !strcmp(command, "state.apply") || !strcmp(command, "state.sls"))
		return run_engine(r);
	if (!strcmp(command, "top.enabled"))
		return enabled(r);
	/* There is no cache to clear and nothing to copy: scripts for Qubes OS call these before anything else. */
	if (!strcmp(command, "saltutil.clear_cache") || !strcmp(command, "saltutil.sync_all"))
		return 0;
	if (!on && strcmp(command, "top.disable")) {
		fprintf(stderr, "qubesctl: the command %s is not supported; see qubesctl(1)\n", command);
		return 64;
	}
	for (size_t i = 1; i < r->words.n; i++)
		if (!strchr(r->words.v[i], '='))
			code |= enable(r, r->words.v[i], on);
	return code;
}

static int run(const struct request *r, const struct command_line *cmd)
{
	int code;

	if (r->targets && r->all)
		return options_wrong(cmd, "--targets and --all exclude each other");
	if (!r->words.n)
		return options_wrong(cmd, "a command is needed, such as state.highstate");
	code = r->skip_dom0 ? 0 : run_command(r);
	if (code && (r->targets || r->all || r->templates || r->standalones || r->app))
		fprintf(stderr, "DOM0 configuration failed, not continuing\n");
	else if (r->targets || r->all || r->templates || r->standalones || r->app) {
		fprintf(stderr, "qubesctl: states in qubes cannot be applied yet; only dom0 was configured\n");
		code = 1;
	}
	return code;
}

int main(int argc, char **argv)
{
	struct request r = {.srv = "/srv", .engine = "salt-lite", .max_concurrency = 4};
	const struct option_def options[] = {
		{"show-output", 0, OPTION_FLAG, &r.show_output, NULL, "show what each qube printed"},
		{"force-color", 0, OPTION_FLAG, &r.force_color, NULL, "let control characters of qubes through (UNSAFE)"},
		{"skip-dom0", 0, OPTION_FLAG, &r.skip_dom0, NULL, "do not configure dom0"},
		{"dom0-only", 0, OPTION_FLAG, &r.dom0_only, NULL, "configure dom0 alone"},
		{"max-concurrency", 0, OPTION_NUMBER, &r.max_concurrency, "N", "qubes at the same time (4)"},
		{"skip-top-check", 0, OPTION_FLAG, &r.skip_top_check, NULL, "also start qubes that have no states"},
		{"sync-extmods", 0, OPTION_FLAG, &r.sync_extmods, NULL, NULL},
		{"targets", 0, OPTION_STRING, &r.targets, "VM,VM", "these qubes"},
		{"all", 0, OPTION_FLAG, &r.all, NULL, "every qube that is no disposable"},
		{"templates", 0, OPTION_FLAG, &r.templates, NULL, "all templates"},
		{"standalones", 0, OPTION_FLAG, &r.standalones, NULL, "all standalone qubes"},
		{"app", 0, OPTION_FLAG, &r.app, NULL, "all app qubes"},
		{"srv", 0, OPTION_STRING, &r.srv, "DIR", "where the state files lie (/srv)"},
		{"engine", 0, OPTION_STRING, &r.engine, "PROGRAM", NULL},
		{"engine-option", 0, OPTION_LIST, &r.engine_options, "OPTION", NULL},
		{0},
	};
	const struct command_line cmd = {"qubesctl", "COMMAND [ARGUMENT]...",
					 "Configures dom0 as its state files say.",
					 "COMMAND: state.highstate, state.apply SLS, state.sls SLS, top.enable NAME, "
					 "top.disable NAME, top.enabled.",
					 options, true};
	enum options_result parsed = options_parse(&cmd, argc, argv, &r.words);
	int code = parsed == OPTIONS_OK ? run(&r, &cmd) : parsed == OPTIONS_HELP ? 0 : 64;

	strv_free(&r.words);
	strv_free(&r.engine_options);
	return code;
}
