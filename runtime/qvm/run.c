/* qvm-run: starts the qube if need be and hands over to qrexec-client. */
#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/process.h"
#include "runtime/qvm/qvm.h"

static const char client[] = "qrexec-client";
enum { RED = 31 };

static const char *user = "DEFAULT", *local_command;
static bool pass_io, service, no_auto, auto_start, gui, no_gui, no_shell, filter, no_filter,
	no_colour, no_colour_stderr, ignored;
static const char *dispvm;
static long colour = RED, colour_stderr = RED;

/* Words of the command; the qube, if one is named, stands before them. */
struct words {
	char *const *v;
	size_t n;
};

/* Arguments as one service argument: `+` between them, other bytes than [A-Za-z0-9._] as -XX, `-`
 * as `--`. */
static void encode(struct strbuf *out, const struct words *words)
{
	for (size_t i = 0; i < words->n; i++) {
		strbuf_add_char(out, '+');
		for (const unsigned char *p = (const unsigned char *)words->v[i]; *p; p++) {
			if (isalnum(*p) || *p == '.' || *p == '_')
				strbuf_add_char(out, (char)*p);
			else if (*p == '-')
				strbuf_add_str(out, "--");
			else
				strbuf_printf(out, "-%02X", *p);
		}
	}
}

/* USER:COMMAND as qrexec-client takes it. */
static char *command_text(const struct words *words)
{
	_cleanup_strbuf_ struct strbuf s = {0};

	strbuf_printf(&s, "%s:", user);
	if (service) {
		strbuf_printf(&s, "QUBESRPC %s dom0", words->v[0]);
	} else if (no_shell) {
		strbuf_add_str(&s, "QUBESRPC qubes.VMExec");
		encode(&s, words);
		strbuf_add_str(&s, " dom0");
	} else {
		for (size_t i = 0; i < words->n; i++)
			strbuf_printf(&s, "%s%s", i ? " " : "", words->v[i]);
	}
	return strbuf_steal(&s);
}

static int ensure_running(const char *name)
{
	_cleanup_list_ struct qvm_list list = {0};
	const struct qvm_vm *vm;
	int r = qvm_list_read(&list);

	if (r)
		return r;
	vm = qvm_list_find(&list, name);
	if (!vm) {
		fprintf(stderr, "qvm-run: no such domain: '%s'\n", name);
		return QVM_FAILED;
	}
	if (!strcmp(vm->state, "Running"))
		return 0;
	if (no_auto || !strcmp(vm->state, "Paused")) {
		fprintf(stderr, "qvm-run: %s: is not running\n", name);
		return QVM_FAILED;
	}
	return qvm_call(name, "admin.vm.Start", NULL, NULL, NULL);
}

/* What the qube writes is coloured on a terminal, so that it is not taken for dom0's own words. */
static void set_colour(int fd, bool off, long value)
{
	if (!off && isatty(fd))
		dprintf(fd, "\033[0;%ldm", value);
}

static void end_colour(int fd, bool off)
{
	if (!off && isatty(fd))
		dprintf(fd, "\033[0m");
}

static int client_failed(int r)
{
	if (r < 0)
		fprintf(stderr, "qvm-run: %s: %s\n", client, strerror(-r));
	return r < 0 ? 126 : r;
}

/* A disposable lives as long as the command, so its end is waited for. */
static int run_unheard(const struct strv *argv)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	return client_failed(null < 0 ? -errno
				      : process_run(&(struct process){
						.argv = (const char *const *)argv->v,
						.null_stdin = 1,
						.stdout_fd = null,
						.stderr_fd = null}));
}

static int run_client(const char *vm, const char *command)
{
	_cleanup_strv_ struct strv argv = {0};
	int r;

	strv_push(&argv, client);
	strv_push(&argv, "-d");
	strv_push(&argv, vm);
	if (filter || (!no_filter && isatty(STDOUT_FILENO)))
		strv_push(&argv, "-t");
	if (filter || (!no_filter && isatty(STDERR_FILENO)))
		strv_push(&argv, "-T");
	if (local_command) {
		strv_push(&argv, "-l");
		strv_push(&argv, local_command);
	} else if (!pass_io && !dispvm) {
		strv_push(&argv, "-e");
	}
	strv_push(&argv, command);
	if (dispvm && !pass_io && !local_command)
		return run_unheard(&argv);
	if (!dispvm && (!pass_io || (!isatty(STDOUT_FILENO) && !isatty(STDERR_FILENO)))) {
		execvp(client, argv.v);
		fprintf(stderr, "qvm-run: %s: %s\n", client, strerror(errno));
		return 126;
	}
	set_colour(STDOUT_FILENO, no_colour, colour);
	set_colour(STDERR_FILENO, no_colour_stderr, colour_stderr);
	r = process_run(&(struct process){.argv = (const char *const *)argv.v});
	end_colour(STDOUT_FILENO, no_colour);
	end_colour(STDERR_FILENO, no_colour_stderr);
	return client_failed(r);
}

static void do_nothing(int number)
{
	(void)number;
}

/* Interrupts are the command's, which gets them as ever; the disposable has to be removed after it. */
static void outlive(void)
{
	static const int signals[] = {SIGINT, SIGHUP, SIGTERM};
	const struct sigaction a = {.sa_handler = do_nothing, .sa_flags = SA_RESTART};

	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaction(signals[i], &a, NULL);
}

static int run_disposable(const char *command)
{
	_cleanup_admin_error_ struct admin_error ignored_error = {0};
	_cleanup_strbuf_ struct strbuf name = {0};
	int r = qvm_call(*dispvm ? dispvm : "dom0", "admin.vm.CreateDisposable", NULL, NULL, &name);

	if (r)
		return r;
	outlive();
	r = qvm_call(name.p, "admin.vm.Start", NULL, NULL, NULL);
	if (r) { /* qubesd removes what did not start, but not what could not even be tried */
		admin_call(&qvm_admin, name.p, "admin.vm.Remove", NULL, (struct blob){0}, NULL,
			   &ignored_error);
		return r;
	}
	r = run_client(name.p, command);
	qvm_call(name.p, "admin.vm.Kill", NULL, NULL, NULL);
	return r;
}

int qvm_run(int argc, char **argv)
{
	static const struct option_def options[] = {
		QVM_COMMON,
		{"pass-io", 'p', OPTION_FLAG, &pass_io, NULL,
		 "connect stdin, stdout, stderr; exit with its code"},
		{"user", 'u', OPTION_STRING, &user, "USER", "user in the qube (its default_user)"},
		{"auto", 'a', OPTION_FLAG, &auto_start, NULL,
		 "start the qube if it does not run (default)"},
		{"autostart", 0, OPTION_FLAG, &auto_start, NULL, NULL},
		{"no-auto", 'n', OPTION_FLAG, &no_auto, NULL, "only if it runs"},
		{"no-autostart", 0, OPTION_FLAG, &no_auto, NULL, NULL},
		{"service", 0, OPTION_FLAG, &service, NULL,
		 "COMMAND is the name of a qrexec service"},
		{"no-shell", 0, OPTION_FLAG, &no_shell, NULL,
		 "run the words as they are, without a shell"},
		{"localcmd", 0, OPTION_STRING, &local_command, "COMMAND",
		 "connect it to this command in dom0"},
		{"gui", 0, OPTION_FLAG, &gui, NULL, NULL},
		{"no-gui", 0, OPTION_FLAG, &no_gui, NULL, "do not wait for a graphical session"},
		{"dispvm", 0, OPTION_MAYBE, &dispvm, "TEMPLATE",
		 "in a new disposable (of dom0's default_dispvm)"},
		{"filter-escape-chars", 0, OPTION_FLAG, &filter, NULL,
		 "filter control characters (on a terminal)"},
		{"no-filter-escape-chars", 0, OPTION_FLAG, &no_filter, NULL, "pass them on"},
		{"colour-output", 0, OPTION_NUMBER, &colour, "CODE",
		 "colour of stdout on a terminal (31)"},
		{"color-output", 0, OPTION_NUMBER, &colour, "CODE", NULL},
		{"no-colour-output", 0, OPTION_FLAG, &no_colour, NULL, "no colour"},
		{"no-color-output", 0, OPTION_FLAG, &no_colour, NULL, NULL},
		{"colour-stderr", 0, OPTION_NUMBER, &colour_stderr, "CODE",
		 "colour of stderr on a terminal (31)"},
		{"color-stderr", 0, OPTION_NUMBER, &colour_stderr, "CODE", NULL},
		{"no-colour-stderr", 0, OPTION_FLAG, &no_colour_stderr, NULL, "no colour"},
		{"no-color-stderr", 0, OPTION_FLAG, &no_colour_stderr, NULL, NULL},
		{"nogui", 0, OPTION_FLAG, &ignored, NULL, NULL},
		{0},
	};
	static const struct command_line cmd = {"qvm-run",
						"VM COMMAND... | --dispvm COMMAND...",
						"Run a command in a qube.",
						"Exit codes with --pass-io: the command's; 1 the "
						"qube did not start, 126 no connection.",
						options,
						true};
	_cleanup_strv_ struct strv operands = {0};
	_cleanup_free_ char *command = NULL;
	enum options_result parsed = options_parse(&cmd, argc, argv, &operands);
	size_t first = dispvm ? 0 : 1;
	struct words words;
	int r;

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? 0 : 2;
	if (operands.n < first + 1)
		return options_wrong(&cmd, "%s", dispvm ? "a command is needed"
							: "a qube and a command are needed");
	words = (struct words){operands.v + first, operands.n - first};
	if (service && words.n > 1)
		return options_wrong(&cmd, "a service takes no further words");
	command = command_text(&words);
	if (dispvm)
		return run_disposable(command);
	r = ensure_running(operands.v[0]);
	if (r)
		return r;
	return run_client(operands.v[0], command);
}
