#include "runtime/qrexec/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/blob.h"
#include "common/sys/file.h"
#include "common/sys/socket.h"
#include "common/ui/options.h"
#include "runtime/qrexec/launch.h"
#include "runtime/qrexec/notify.h"
#include "runtime/qrexec/session.h"

#define SOCKET_PATH "/var/run/qubes/qrexec-agent"
#define MEMINFO_PID_FILE "/var/run/meminfo-writer.pid"

/* A fresh offer of the control channel; the daemon in dom0 connects whenever it is there. */
static int open_control(struct agent *a)
{
	a->vchan = libvchan_server_init(0, QREXEC_CONTROL_PORT, QREXEC_CONTROL_RING, QREXEC_CONTROL_RING);
	if (!a->vchan)
		return -errno;
	channel_init_vchan(&a->control, a->vchan);
	a->greeted = false;
	return 0;
}

static void wake_meminfo(struct agent *a)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	uint64_t pid;

	if (a->meminfo_woken)
		return;
	a->meminfo_woken = true;
	if (read_file(AT_FDCWD, MEMINFO_PID_FILE, 64, &text) == 0 &&
	    blob_to_u64(blob_trim(strbuf_blob(&text)), 1 << 30, &pid) && pid > 1)
		kill((pid_t)pid, SIGUSR1);
}

static int take_hello(struct agent *a, const struct message *m)
{
	struct peer_info info;

	memcpy(&info, m->p, sizeof(info));
	if (m->type != MSG_HELLO || info.version < QREXEC_PROTOCOL_MIN)
		return -EPROTO;
	a->version = info.version < QREXEC_PROTOCOL_VERSION ? info.version : QREXEC_PROTOCOL_VERSION;
	a->greeted = true;
	return 0;
}

static int take_message(struct agent *a, const struct message *m)
{
	struct exec_params where;
	const char *command;

	if (!a->greeted)
		return take_hello(a, m);
	switch (m->type) {
	case MSG_EXEC_CMDLINE:
	case MSG_JUST_EXEC:
		if (!exec_message_parse(m->p, m->n, &where, &command))
			return -EPROTO;
		wake_meminfo(a);
		agent_call_start(a, m->type == MSG_JUST_EXEC, &where, command);
		return 0;
	case MSG_SERVICE_CONNECT:
		if (m->n != sizeof(where) + sizeof(struct service_params))
			return -EPROTO;
		memcpy(&where, m->p, sizeof(where));
		agent_client_connect(a, &where, m->p + sizeof(where));
		return 0;
	case MSG_SERVICE_REFUSED:
		agent_client_refuse(a, m->p);
		return 0;
	default:
		return -EPROTO;
	}
}

static void greet(struct agent *a)
{
	struct peer_info info = {QREXEC_PROTOCOL_VERSION};

	channel_send(&a->control, MSG_HELLO, &info, sizeof(info), NULL, 0);
}

/* 0, or < 0: the channel is finished. */
static int step_control(struct agent *a, bool event)
{
	struct message m;
	int r;

	if (event && libvchan_wait(a->vchan) < 0)
		return -EPIPE;
	if (!a->greeted && libvchan_is_open(a->vchan) == VCHAN_WAITING)
		return 0;
	r = channel_flush(&a->control);
	while (r == 0 && (r = channel_read(&a->control, &m)) > 0)
		r = take_message(a, &m);
	if (r == 0 && libvchan_is_open(a->vchan) == VCHAN_DISCONNECTED && libvchan_data_ready(a->vchan) <= 0)
		r = -EPIPE;
	return r;
}

static int reopen_control(struct agent *a, int why)
{
	if (why == -EPROTO)
		agent_log("the daemon in dom0 broke the protocol; starting over");
	channel_free(&a->control);
	libvchan_close(a->vchan);
	a->greeted = false;
	/* Their requests are lost with the daemon that had them; running calls go on. */
	agent_clients_drop(a);
	why = open_control(a);
	if (why == 0)
		greet(a);
	return why;
}

static int run(struct agent *a)
{
	enum { CONTROL, SIGNALS, LISTEN };
	bool first = true;

	for (;;) {
		int timeout = -1;
		int r;

		a->polls.n = 0;
		polls_add(&a->polls, libvchan_fd_for_select(a->vchan), POLLIN);
		polls_add(&a->polls, a->signal_fd, POLLIN);
		polls_add(&a->polls, a->n_clients < AGENT_MAX_CALLS ? a->listen_fd : -1, POLLIN);
		agent_clients_poll(a);
		agent_calls_poll(a, &timeout);
		if (first)
			timeout = 0;
		if (poll(a->polls.v, a->polls.n, timeout) < 0)
			continue;
		if (a->polls.v[SIGNALS].revents && agent_take_signals(a))
			exit(0);
		agent_calls_step(a);
		agent_clients_step(a);
		r = a->polls.v[CONTROL].revents || first ? step_control(a, a->polls.v[CONTROL].revents) : 0;
		first = false;
		if (r < 0 && (r = reopen_control(a, r)) < 0) {
			agent_log("cannot offer the control channel: %s", strerror(-r));
			return 1;
		}
		if (a->polls.v[LISTEN].revents)
			agent_clients_accept(a);
	}
}

static int setup(struct agent *a)
{
	int r;

	launch_setup(session_start);
	launch_many_files();
	a->signal_fd = agent_signals();
	/* Whoever may enter the directory may ask; dom0 decides. */
	a->listen_fd = socket_listen(a->socket_path, 0666, SOCK_NONBLOCK, 128);
	if (a->listen_fd < 0) {
		agent_log("%s: %s", a->socket_path, strerror(-a->listen_fd));
		return a->listen_fd;
	}
	r = open_control(a);
	if (r < 0) {
		agent_log("cannot offer the control channel: %s", strerror(-r));
		return r;
	}
	greet(a);
	return 0;
}

int main(int argc, char **argv)
{
	static struct agent a = {.socket_path = SOCKET_PATH, .session = &agent_session, .fork_server = FORK_SERVER_SOCKET};
	bool no_fork_server = false;
	const struct option_def options[] = {
		{"agent-socket", 0, OPTION_STRING, &a.socket_path, "PATH", "where qrexec-client-vm connects"},
		{"fork-server-socket", 0, OPTION_STRING, &a.fork_server, "PATH", "of session helpers, with %s for the user"},
		{"no-fork-server", 0, OPTION_FLAG, &no_fork_server, NULL, "never hand a call to a session helper"},
		{.name = NULL},
	};
	const struct command_line cmd = {
		.program = "qrexec-agent",
		.operands = "",
		.summary = "Runs in a qube the commands and services that dom0 sends.",
		.options = options,
	};
	_cleanup_strv_ struct strv operands = {0};

	if (argc == 2 && strcmp(argv[1], "-h") == 0) {
		options_help(&cmd);
		return 2;
	}
	switch (options_parse(&cmd, argc, argv, &operands)) {
	case OPTIONS_OK:
		break;
	case OPTIONS_HELP:
		return 0;
	case OPTIONS_WRONG:
		return 2;
	}
	if (operands.n)
		return options_wrong(&cmd, "takes no operands");
	if (no_fork_server)
		a.fork_server = NULL;
	if (setup(&a) < 0)
		return 1;
	notify_ready();
	return run(&a);
}
