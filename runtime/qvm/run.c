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

static const char local_client[] = "qrexec-client", remote_client[] = "qrexec-client-vm";
enum { RED = 31 };

static const char *user = "DEFAULT", *local_command;
static bool pass_io, service, no_auto, auto_start, gui, no_gui, no_shell, filter, no_filter,
	no_colour, no_colour_stderr, ignored, all;
static struct strv excluded;
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
		strbuf_add_str(&s, words->v[0]);
	}
	return strbuf_steal(&s);
}

static int ensure_running(const struct qvm_vm *vm)
{
	if (!strcmp(vm->state, "Running"))
		return 0;
	if (no_auto) {
		fprintf(stderr, "qvm-run: %s: is not running\n", vm->name);
		return QVM_FAILED;
	}
	return qvm_call(vm->name, strcmp(vm->state, "Paused") ? "admin.vm.Start" : "admin.vm.Unpause", NULL, NULL,
			NULL);
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

/* Of a management qube, or of dom0. */
static const char *client(void)
{
	return admin_is_remote(&qvm_admin) ? remote_client : local_client;
}

static int client_failed(int r)
{
	if (r < 0)
		fprintf(stderr, "qvm-run: %s: %s\n", client(), strerror(-r));
	return r < 0 ? 126 : r;
}

/* Nobody hears what the command has to say, but its end is waited for: wait_unheard(). */
static int start_unheard(const struct strv *argv, pid_t *pid)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	*pid = null < 0 ? -errno
			: process_spawn(&(struct process){.argv = (const char *const *)argv->v,
							  .null_stdin = 1,
							  .stdout_fd = null,
							  .stderr_fd = null});
	return *pid < 0 ? client_failed(*pid) : 0;
}

static int wait_unheard(pid_t pid)
{
	return pid > 0 ? client_failed(process_wait(pid)) : 0;
}

/* A service for what dom0 would tell the qube's agent itself. */
static void remote_words(struct strv *argv, const char *vm, const struct words *words)
{
	_cleanup_strbuf_ struct strbuf name = {0};
	char shell[] = "/bin/sh", option[] = "-c";
	char *through_shell[] = {shell, option, words->v[0]};

	strv_push(argv, "--");
	strv_push(argv, vm);
	if (service) {
		strv_push(argv, words->v[0]);
	} else {
		strbuf_add_str(&name, "qubes.VMExec");
		encode(&name, no_shell ? words : &(struct words){through_shell, 3});
		strv_push(argv, name.p);
	}
	if (!local_command)
		return;
	strv_push(argv, shell);
	strv_push(argv, option);
	strv_push(argv, local_command);
}

static void local_words(struct strv *argv, const struct words *words)
{
	if (local_command) {
		strv_push(argv, "-l");
		strv_push(argv, local_command);
	} else if (service && !pass_io && !dispvm) {
		strv_push(argv, "-e");
	}
	strv_push_take(argv, command_text(words));
}

/* *unheard: 0, or the process that is still to be waited for. */
static int run_client(const char *vm, const struct words *words, pid_t *unheard)
{
	_cleanup_strv_ struct strv argv = {0};
	bool remote = admin_is_remote(&qvm_admin);
	int r;

	*unheard = 0;
	strv_push(&argv, client());
	if (!remote) {
		strv_push(&argv, "-d");
		strv_push(&argv, vm);
	}
	if (filter || (!no_filter && isatty(STDOUT_FILENO)))
		strv_push(&argv, "-t");
	if (filter || (!no_filter && isatty(STDERR_FILENO)))
		strv_push(&argv, "-T");
	if (remote)
		remote_words(&argv, vm, words);
	else
		local_words(&argv, words);
	if ((dispvm || remote || !service) && !pass_io && !local_command)
		return start_unheard(&argv, unheard);
	if (!dispvm && !all && (!pass_io || (!isatty(STDOUT_FILENO) && !isatty(STDERR_FILENO)))) {
		execvp(argv.v[0], argv.v);
		return client_failed(-errno);
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

static int run_disposable(const struct words *words)
{
	_cleanup_admin_error_ struct admin_error ignored_error = {0};
	_cleanup_strbuf_ struct strbuf name = {0};
	int r = qvm_call(*dispvm ? dispvm : "dom0", "admin.vm.CreateDisposable", NULL, NULL, &name);
	pid_t pid;

	if (r)
		return r;
	outlive();
	r = qvm_call(name.p, "admin.vm.Start", NULL, NULL, NULL);
	if (r) { /* qubesd removes what did not start, but not what could not even be tried */
		admin_call(&qvm_admin, name.p, "admin.vm.Remove", NULL, (struct blob){0}, NULL,
			   &ignored_error);
		return r;
	}
	r = run_client(name.p, words, &pid);
	if (!r)
		r = wait_unheard(pid);
	qvm_call(name.p, "admin.vm.Kill", NULL, NULL, NULL);
	return r;
}

/* --all starts nothing, and leaves alone what the system has for itself. */
static bool is_meant(const struct qvm_vm *vm, bool every)
{
	_cleanup_admin_error_ struct admin_error none = {0};
	_cleanup_strbuf_ struct strbuf internal = {0};

	return !every || (!strcmp(vm->state, "Running") &&
			  (admin_call(&qvm_admin, vm->name, "admin.vm.feature.Get", "internal", (struct blob){0},
				      &internal, &none) != 0 ||
			   !internal.n));
}

/* The command in each qube, in all of them at once when nobody hears it; the worst exit code. */
static int run_in(const struct strv *names, bool every, const struct words *words)
{
	_cleanup_list_ struct qvm_list list = {0};
	_cleanup_strv_ struct strv chosen = {0};
	_cleanup_free_ pid_t *unheard = NULL;
	int result = qvm_list_read(&list), r;

	if (!result && qvm_select(&list, names, every, &excluded, &chosen))
		result = QVM_FAILED;
	unheard = xcalloc(chosen.n + 1, sizeof(*unheard));
	for (size_t i = 0; i < chosen.n; i++) {
		const struct qvm_vm *vm = qvm_list_find(&list, chosen.v[i]);

		if (!is_meant(vm, every))
			continue;
		r = ensure_running(vm);
		if (!r)
			r = run_client(vm->name, words, &unheard[i]);
		result = r > result ? r : result;
	}
	for (size_t i = 0; i < chosen.n; i++) {
		r = wait_unheard(unheard[i]);
		result = r > result ? r : result;
	}
	return result;
}

static const struct option_def options[] = {
	QVM_COMMON,
	{"pass-io", 'p', OPTION_FLAG, &pass_io, NULL,
	 "connect stdin, stdout, stderr"},
	{"user", 'u', OPTION_STRING, &user, "USER", "user in the qube (its default_user)"},
	{"auto", 'a', OPTION_FLAG, &auto_start, NULL,
	 "start the qube if it does not run (default)"},
	{"autostart", 0, OPTION_FLAG, &auto_start, NULL, NULL},
	{"no-auto", 'n', OPTION_FLAG, &no_auto, NULL, "only if it runs"},
	{"no-autostart", 0, OPTION_FLAG, &no_auto, NULL, NULL},
	{"service", 0, OPTION_FLAG, &service, NULL,
	 "COMMAND is the name of a qrexec service"},
	{"no-shell", 0, OPTION_FLAG, &no_shell, NULL,
	 "run one word as several are, without a shell"},
	{"localcmd", 0, OPTION_STRING, &local_command, "COMMAND",
	 "connect it to this command in dom0"},
	{"gui", 0, OPTION_FLAG, &gui, NULL, NULL},
	{"no-gui", 0, OPTION_FLAG, &no_gui, NULL, "do not wait for a graphical session"},
	{"all", 0, OPTION_FLAG, &all, NULL, "in every qube that runs, but dom0, paused and internal ones"},
	{"exclude", 0, OPTION_LIST, &excluded, "VM", "with --all: not this one"},
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

int qvm_run(int argc, char **argv)
{
	static const struct command_line cmd = {"qvm-run",
						"VM COMMAND... | --all COMMAND... | --dispvm [TEMPLATE] -- COMMAND...",
						"Run a command in a qube.",
						"One word is a command for the shell in the qube, several are a program and its\n"
						"arguments. Without --pass-io the command reads and says nothing. A word behind --dispvm\n"
						"is its TEMPLATE; -- or an option keeps them apart.\n"
						"Exit codes: the command's; 1 the qube did not start, 125 the call failed, 126 it was\n"
						"refused, or qrexec-client cannot be started. A service without --pass-io is not\n"
						"waited for.",
						options,
						true};
	_cleanup_strv_ struct strv operands = {0};
	enum options_result parsed = options_parse(&cmd, argc, argv, &operands);
	size_t named = dispvm || all ? 0 : 1, first = named;
	struct words words;

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? 0 : 2;
	if (dispvm && all)
		return options_wrong(&cmd, "--all and --dispvm exclude each other");
	/* The options ended at the name; this word only keeps the command apart. */
	if (named && operands.n > 1 && !strcmp(operands.v[1], "--"))
		first++;
	if (operands.n < first + 1)
		return options_wrong(&cmd, "%s", named ? "a qube and a command are needed" : "a command is needed");
	words = (struct words){operands.v + first, operands.n - first};
	if (service && words.n > 1)
		return options_wrong(&cmd, "a service takes no further words");
	no_shell |= words.n > 1;
	if (admin_is_remote(&qvm_admin) && strcmp(user, "DEFAULT") != 0)
		return options_wrong(&cmd, "--user is for dom0: a qube cannot choose the user in another one");
	return dispvm ? run_disposable(&words) : run_in(&(struct strv){operands.v, named}, all, &words);
}
