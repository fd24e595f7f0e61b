/*
 * qrexec-fork-server: runs calls inside a user's session, with its environment, on behalf of the qube's agent (ref: runtime.md 3.4). It
 * runs as that user and for that user only.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/socket.h"
#include "common/ui/options.h"
#include "runtime/qrexec/agent.h"
#include "runtime/qrexec/launch.h"

enum { INCOMING_MAX = 16 };

/* Connections whose request is not complete yet. */
struct incoming {
	int fd;
	struct strbuf in;
	unsigned polled;
};

static struct incoming incoming[INCOMING_MAX];

static void forget(struct incoming *i)
{
	if (i->fd >= 0)
		close(i->fd);
	strbuf_free(&i->in);
	i->fd = -1;
}

/* 1: complete; 0: not yet; -1: no request that could be one. */
static int examine(const struct incoming *i, struct fork_request *request)
{
	size_t n = i->in.n;

	if (n < sizeof(*request))
		return 0;
	memcpy(request, i->in.p, sizeof(*request));
	if ((request->type != MSG_EXEC_CMDLINE && request->type != MSG_JUST_EXEC) || !request->command_n ||
	    request->command_n > QREXEC_MAX_COMMAND + 1 || n > sizeof(*request) + request->command_n)
		return -1;
	if (n < sizeof(*request) + request->command_n)
		return 0;
	return is_one_string(i->in.p + sizeof(*request), request->command_n) ? 1 : -1;
}

static void step(struct agent *a, struct incoming *i)
{
	struct fork_request request;
	ssize_t n = recv(i->fd, strbuf_reserve(&i->in, 4096), 4096, MSG_DONTWAIT);
	struct call *c;
	int r;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		i->in.n += (size_t)n;
	r = n > 0 ? examine(i, &request) : -1;
	if (r == 1) {
		const struct exec_params where = {(uint32_t)request.connect_domain, (uint32_t)request.connect_port};

		c = agent_call_new(a, request.type == MSG_JUST_EXEC, &where, i->in.p + sizeof(request));
		if (c) {
			/* It closes with the call, which is how the agent learns of the end. */
			c->handed_fd = take_fd(&i->fd);
			agent_call_connect(a, c);
		}
	}
	if (r)
		forget(i);
}

static void accept_one(struct agent *a)
{
	for (unsigned k = 0; k < INCOMING_MAX; k++) {
		if (incoming[k].fd >= 0)
			continue;
		incoming[k].fd = accept4(a->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		incoming[k].polled = 0;
		return;
	}
}

static unsigned poll_incoming(struct agent *a)
{
	unsigned free_places = 0;

	for (unsigned k = 0; k < INCOMING_MAX; k++) {
		incoming[k].polled = polls_add(&a->polls, incoming[k].fd, POLLIN);
		free_places += incoming[k].fd < 0;
	}
	return free_places;
}

static int run(struct agent *a)
{
	enum { SIGNALS, LISTEN };

	for (;;) {
		int timeout = -1;

		a->polls.n = 0;
		polls_add(&a->polls, a->signal_fd, POLLIN);
		polls_add(&a->polls, a->listen_fd, POLLIN);
		if (!poll_incoming(a))
			a->polls.v[LISTEN].fd = -1;
		agent_calls_poll(a, &timeout);
		if (poll(a->polls.v, a->polls.n, timeout) < 0)
			continue;
		if (a->polls.v[SIGNALS].revents && agent_take_signals(a))
			return 0;
		agent_calls_step(a);
		for (unsigned k = 0; k < INCOMING_MAX; k++)
			if (incoming[k].fd >= 0 && a->polls.v[incoming[k].polled].revents)
				step(a, &incoming[k]);
		if (a->polls.v[LISTEN].revents)
			accept_one(a);
	}
}

static int setup(struct agent *a)
{
	launch_setup(launch_own_user);
	launch_many_files();
	for (unsigned k = 0; k < INCOMING_MAX; k++)
		incoming[k].fd = -1;
	a->signal_fd = agent_signals();
	/* The agent is root; nobody else has anything to ask here. */
	a->listen_fd = socket_listen(a->socket_path, 0600, SOCK_NONBLOCK, 128);
	if (a->listen_fd < 0)
		agent_log("%s: %s", a->socket_path, strerror(-a->listen_fd));
	return a->listen_fd;
}

int main(int argc, char **argv)
{
	static const struct option_def options[] = {{.name = NULL}};
	static struct agent a;
	const struct command_line cmd = {
		.program = "qrexec-fork-server",
		.operands = "[SOCKET]",
		.summary = "Runs calls to this qube inside the session it was started in.",
		.notes = "SOCKET is /var/run/qubes/qrexec-server.$USER.sock unless given.",
		.options = options,
	};
	_cleanup_strv_ struct strv operands = {0};
	_cleanup_free_ char *path = NULL;
	const char *user = getenv("USER");

	switch (options_parse(&cmd, argc, argv, &operands)) {
	case OPTIONS_OK:
		break;
	case OPTIONS_HELP:
		return 0;
	case OPTIONS_WRONG:
		return 2;
	}
	if (operands.n > 1 || (!operands.n && (!user || !*user)))
		return options_wrong(&cmd, "wants a socket's path, or $USER");
	path = operands.n ? xstrdup(operands.v[0]) : xasprintf(FORK_SERVER_SOCKET, user);
	a.socket_path = path;
	return setup(&a) < 0 ? 1 : run(&a);
}
