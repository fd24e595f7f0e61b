/* Services of dom0: called from dom0, or by a qube whose call the policy has allowed (ref: runtime.md 3.6, 5b). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/strv.h"
#include "common/sys/process.h"
#include "runtime/qrexec/client.h"
#include "runtime/qrexec/command.h"
#include "runtime/qrexec/launch.h"
#include "runtime/qrexec/service.h"
#include "runtime/qrexec/transfer.h"

#define CONNECT_MS 5000

extern char **environ;

static int find(const struct client *c, struct command *command, struct service *service)
{
	const char *why = "malformed command, or none that calls a service";
	int code = QREXEC_EXIT_PROBLEM;

	if (command_parse(c->command, command) == 0 && command->is_service)
		code = service_find(command, service, &why);
	if (code)
		client_fail(c, why);
	return code;
}

static int run_with_local(const struct client *c, const char *const *argv, char *const *env)
{
	const char *shell[] = {"/bin/sh", "-c", c->local, NULL};
	struct process local = {.argv = shell}, service = {.argv = argv, .env = env};
	int there[2], back[2], code;
	pid_t pid, local_pid;

	if (pipe2(there, O_CLOEXEC) < 0 || pipe2(back, O_CLOEXEC) < 0)
		return QREXEC_EXIT_PROBLEM;
	local.stdin_fd = back[0];
	local.stdout_fd = there[1];
	service.stdin_fd = there[0];
	service.stdout_fd = back[1];
	pid = process_spawn(&service);
	local_pid = process_spawn(&local);
	close(there[0]);
	close(there[1]);
	close(back[0]);
	close(back[1]);
	code = pid < 0 ? QREXEC_EXIT_PROBLEM : process_wait(pid);
	if (local_pid > 0)
		process_wait(local_pid);
	if (code < 0)
		return QREXEC_EXIT_PROBLEM;
	return c->no_exit_code ? 0 : code;
}

int client_run_here(struct client *c)
{
	static const int own[3] = {0, 1, 2};
	struct command command;
	struct service service = {0};
	_cleanup_strv_ struct strv env = {0};
	int code = find(c, &command, &service);

	if (code == 0 && service.kind != SERVICE_PROGRAM) {
		client_fail(c, "this service is a socket: it can be called from qubes only");
		code = QREXEC_EXIT_PROBLEM;
	}
	if (code == 0) {
		const char *argv[] = {service.path, *command.argument ? command.argument : NULL, NULL};

		command_environment(&command, environ, &env);
		if (!c->local && !c->just_exec && !c->no_exit_code)
			launch_exec(own, NULL, service.path, (char *const *)(uintptr_t)argv, env.v);
		if (c->just_exec)
			code = process_spawn(&(struct process){.argv = argv, .env = env.v, .null_stdin = 1}) < 0 ? QREXEC_EXIT_PROBLEM : 0;
		else if (c->local)
			code = run_with_local(c, argv, env.v);
		else
			code = process_run(&(struct process){.argv = argv, .env = env.v}) < 0 ? QREXEC_EXIT_PROBLEM : 0;
	}
	command_free(&command);
	service_free(&service);
	return code;
}

/* --- for a qube --- */

struct answer {
	struct transfer t;
	struct command command;
	struct service service;
	int signal_fd;
	pid_t pid;
};

/* When it cannot be started, the caller sees the ends of its streams and the exit code. */
static void start(const struct client *c, struct answer *s)
{
	struct launched l = LAUNCHED_NOTHING;
	const char *why = "";
	int code = find(c, &s->command, &s->service);

	if (code == 0) {
		/* What a service of dom0 complains about is for the log of dom0, not for the qube. */
		code = launch(&s->command, &s->service, LAUNCH_OWN_STDERR, &l, &why);
		if (code)
			client_fail(c, why);
	}
	s->pid = l.pid;
	s->t.end_on_in_eof = s->service.exit_on_client_eof;
	s->t.end_on_out_eof = s->service.exit_on_service_eof;
	launched_attach(&l, code, &s->t);
}

static void reap(struct answer *s)
{
	struct signalfd_siginfo info;
	int status;

	while (read(s->signal_fd, &info, sizeof(info)) > 0)
		;
	if (s->pid > 0 && waitpid(s->pid, &status, WNOHANG) == s->pid) {
		s->pid = 0;
		transfer_exited(&s->t, launch_exit_code(status));
	}
}

static enum transfer_state move_streams(const struct client *c, struct answer *s)
{
	enum transfer_state state = TRANSFER_RUNNING;

	while (state == TRANSFER_RUNNING) {
		struct pollfd p[TRANSFER_FDS + 1];
		unsigned n = transfer_poll(&s->t, p);

		p[n] = (struct pollfd){.fd = s->signal_fd, .events = POLLIN};
		if (poll(p, n + 1, transfer_busy(&s->t) ? 0 : -1) < 0)
			continue;
		if (p[n].revents)
			reap(s);
		state = transfer_step(&s->t, p, n);
		if (state == TRANSFER_RUNNING && transfer_wants_program(&s->t))
			start(c, s);
	}
	return state;
}

static libvchan_t *connect_channel(const struct client *c, const struct exec_params *where)
{
	libvchan_t *v;
	struct pollfd p = {.events = POLLIN};
	int r = 1;

	v = libvchan_client_init_async((int)where->connect_domain, (int)where->connect_port, &p.fd);
	while (v && r > 0) {
		if (poll(&p, 1, CONNECT_MS) == 0)
			r = -ETIMEDOUT;
		else
			r = libvchan_client_init_async_finish(v, false);
	}
	if (v && r == 0)
		return v;
	client_fail(c, v ? strerror(-r) : strerror(errno));
	libvchan_close(v);
	return NULL;
}

static int serve(const struct client *c, const struct exec_params *where)
{
	struct answer s = {.pid = 0};
	libvchan_t *vchan = connect_channel(c, where);
	enum transfer_state state;
	sigset_t set;
	int code;

	if (!vchan)
		return QREXEC_EXIT_PROBLEM;
	launch_setup(NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s.signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	/* The qube's side greets first. */
	transfer_init(&s.t, TRANSFER_SERVICE, vchan, false);
	state = move_streams(c, &s);
	code = state == TRANSFER_DONE ? s.t.exit_code : QREXEC_EXIT_PROBLEM;
	if (state == TRANSFER_BROKEN)
		client_fail(c, "the qube broke the protocol");
	transfer_free(&s.t);
	command_free(&s.command);
	service_free(&s.service);
	close(s.signal_fd);
	return code;
}

/* Splits IDENT,NAME,DOMID in place. */
static bool split_call(char *text, char **ident, char **domid)
{
	char *comma = strchr(text, ','), *last = strrchr(text, ',');

	*ident = text;
	if (!comma || last == comma)
		return false;
	*comma = *last = '\0';
	*domid = last + 1;
	return comma - text > 0 && comma - text < (ptrdiff_t)sizeof(struct service_params) && atoi(*domid) > 0;
}

int client_answer(struct client *c)
{
	_cleanup_free_ char *text = xstrdup(c->service_call);
	struct service_params params = {0};
	struct exec_params where = {0};
	char *ident, *domid, buf[64];
	int target = -1;

	if (!split_call(text, &ident, &domid)) {
		client_fail(c, "-c wants IDENT,NAME,DOMID");
		return 1;
	}
	strcpy(params.ident, ident);
	if (!is_dom0(c->domain)) {
		where.connect_domain = (uint32_t)atoi(domid);
		if (client_connect(c, c->domain) < 0 ||
		    client_ask(c, MSG_EXEC_CMDLINE, &where, c->command, strlen(c->command) + 1) < 0)
			return QREXEC_EXIT_PROBLEM;
		target = c->daemon;
	}
	if (client_connect(c, domid) < 0)
		return QREXEC_EXIT_PROBLEM;
	if (target < 0)
		return client_ask(c, MSG_SERVICE_CONNECT, &where, &params, sizeof(params)) < 0 ? QREXEC_EXIT_PROBLEM
											       : serve(c, &where);
	/* The target's daemon tells of the end. */
	if (client_ask(c, MSG_SERVICE_CONNECT, &where, &params, sizeof(params)) < 0)
		return QREXEC_EXIT_PROBLEM;
	while (read(target, buf, sizeof(buf)) > 0)
		;
	return 0;
}
