/* bulkhead shell */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "builder/commands.h"
#include "builder/inspect/session.h"
#include "builder/inspect/terminal.h"
#include "builder/sandbox.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/ui/options.h"

enum { DAY = 24 * 60 * 60 };

struct request {
	struct strv operands; /* image, program, its arguments */
	const char *store;
};

static void request_end(struct request *q)
{
	strv_free(&q->operands);
}

struct inside {
	const char *root;
	const char *const *argv;
	uint64_t epoch;
};

/* The program's exit code; what went wrong before it is said here. */
static int run_inside(int fd, void *arg)
{
	const struct inside *in = arg;
	_cleanup_error_ struct error err = {0};
	_cleanup_strv_ struct strv argv = {0}, env = {0};
	const char *term = getenv("TERM");
	struct sandbox sb = {.root = in->root, .mode = SANDBOX_THROWAWAY, .epoch = in->epoch, .timeout_s = DAY};
	int status = EXIT_CODE_FAILED, r;

	/* A session of its own on the new terminal: job control, and ^C reaches what runs inside. */
	if (fd >= 0) {
		strv_push(&argv, "setsid");
		strv_push(&argv, "--ctty");
		strv_push(&argv, "--wait");
	}
	for (const char *const *a = in->argv; *a; a++)
		strv_push(&argv, *a);
	strv_pushf(&env, "TERM=%s", term ? term : "dumb");
	sb.argv = (const char *const *)argv.v;
	sb.env = (const char *const *)env.v;
	sb.stdin_fd = fd >= 0 ? fd : fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	sb.stdout_fd = fd >= 0 ? fd : STDOUT_FILENO;
	sb.stderr_fd = fd >= 0 ? fd : STDERR_FILENO;
	r = sandbox_run(&sb, &status, &err);
	if (r < 0)
		error_print("bulkhead", &err);
	return r < 0 ? EXIT_CODE_FAILED : status;
}

static int prepare(struct session *s, const struct request *q, struct error *err)
{
	const struct strv none = {0};
	int r = session_open(s, q->store, q->operands.v[0], err);

	if (r < 0)
		return r;
	if (!s->image->folder)
		return error_set(err, -EINVAL, q->operands.v[0], NULL, "is a medium and has no root of its own");
	r = graph_mark(s->graph, &s->image->folder, 1, err);
	/* Only what is not built yet needs a mirror. */
	if (r == 0 && s->image->root->needed)
		r = fetch_mirrors_find(&s->mirrors, &none, err);
	return r < 0 ? r : graph_run(s->graph, &s->image->folder, 1, err);
}

static int shell(const struct request *q, int *status, struct error *err)
{
	static const char *const bash[] = {"/bin/bash", "-l", NULL};
	_cleanup_(session_end) struct session s = {0};
	_cleanup_free_ char *root = NULL;
	struct inside in;
	int r = prepare(&s, q, err);

	if (r < 0)
		return r;
	root = step_result(s.graph, s.image->folder, "root");
	in = (struct inside){.root = root,
			     .argv = q->operands.n > 1 ? (const char *const *)q->operands.v + 1 : bash,
			     .epoch = (uint64_t)lock_epoch(s.image->lock)};
	return terminal_run(run_inside, &in, status, err);
}

int cmd_shell(int argc, char **argv)
{
	_cleanup_(request_end) struct request q = {0};
	_cleanup_error_ struct error err = {0};
	const struct option_def options[] = {
		{"store", 0, OPTION_STRING, &q.store, "DIR", "results of steps (default: build/store)"},
		{0},
	};
	const struct command_line cmd = {
		.program = "bulkhead shell",
		.operands = "IMAGE [PROGRAM [ARGUMENT]...]",
		.summary = "Run a shell, or a program, in a throw-away copy of an image's root.",
		.notes = "Without network; what is written is gone afterwards.\n"
			 "Needs root, or ids in /etc/subuid and /etc/subgid (docs/builder.md).\n"
			 "The exit code is the program's, or 1 (one line on stderr says what), or 2 for wrong usage.",
		.options = options,
		.stop_at_operand = true,
	};
	enum options_result parsed = options_parse(&cmd, argc, argv, &q.operands);
	int status = EXIT_CODE_FAILED;

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? EXIT_CODE_OK : EXIT_CODE_USAGE;
	if (!q.operands.n)
		return options_wrong(&cmd, "expected an IMAGE");
	if (shell(&q, &status, &err) == 0)
		return status;
	error_print("bulkhead", &err);
	return EXIT_CODE_FAILED;
}
