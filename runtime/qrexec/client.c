/*
 * qrexec-client: one call from dom0 (ref: runtime.md 3.6, 3.7). It asks the daemon of the qube, offers the data channel whose
 * number it gets, and moves the streams.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/clock.h"
#include "common/sys/process.h"
#include "common/sys/socket.h"
#include "common/ui/options.h"
#include "runtime/qrexec/channel.h"
#include "runtime/qrexec/client.h"
#include "runtime/qrexec/streams.h"
#include "runtime/qrexec/transfer.h"

/*
 * Longer than upstream's 10: calls that many start at once wait for each other. An agent that finds no channel gives up after 120 s
 * and says so; this is for one that says nothing.
 */
#define CONNECT_SECONDS 300

int client_fail(const struct client *c, const char *what)
{
	fprintf(stderr, "qrexec-client: %s: %s\n", c->domain, what);
	return -1;
}

int client_connect(struct client *c, const char *qube)
{
	_cleanup_free_ char *path = xasprintf("%s/qrexec.%s", c->socket_dir, qube);

	c->daemon = socket_connect(path, 0);
	if (c->daemon >= 0)
		return 0;
	if (c->daemon == -ENOENT || c->daemon == -ECONNREFUSED)
		return client_fail(c, "no qrexec-daemon: the qube is not running or its agent is not ready");
	fprintf(stderr, "qrexec-client: %s: %s\n", path, strerror(-c->daemon));
	return -1;
}

/* The next message of the daemon, which answers at once or dies. */
static int expect(struct channel *ch, struct message *m)
{
	for (;;) {
		struct pollfd p = {.fd = ch->fd, .events = POLLIN};
		int r = channel_read(ch, m);

		if (r)
			return r;
		poll(&p, 1, -1);
	}
}

int client_ask(struct client *c, uint32_t type, struct exec_params *where, const void *data, size_t n)
{
	const struct peer_info hello = {QREXEC_SOCKET_VERSION};
	struct channel ch;
	struct message m;
	struct peer_info info = {0};
	/* That two qubes are to talk is passed on, not answered. */
	bool no_answer = type == MSG_SERVICE_CONNECT && where->connect_domain;
	int r = -1;

	channel_init_fd(&ch, c->daemon);
	channel_send(&ch, MSG_HELLO, &hello, sizeof(hello), NULL, 0);
	channel_send(&ch, type, where, sizeof(*where), data, n);
	while (channel_pending(&ch) && channel_flush(&ch) == 0) {
		struct pollfd p = {.fd = ch.fd, .events = POLLOUT};

		poll(&p, 1, -1);
	}
	if (expect(&ch, &m) > 0 && m.type == MSG_HELLO) {
		memcpy(&info, m.p, sizeof(info));
		if (info.version < QREXEC_SOCKET_VERSION)
			client_fail(c, "its qrexec-daemon is too old; restart the qube");
		else if (expect(&ch, &m) > 0 ? m.type == type && m.n >= sizeof(*where) : no_answer)
			r = 0;
	}
	if (r == 0 && !no_answer)
		memcpy(where, m.p, sizeof(*where));
	else if (r < 0 && (info.version >= QREXEC_SOCKET_VERSION || !info.version))
		client_fail(c, "its qrexec-daemon refused the call");
	channel_free(&ch);
	return r;
}

static int attach(struct client *c, struct transfer *t, struct local_program *local)
{
	const char *shell[] = {"/bin/sh", "-c", c->local, NULL};
	int r;

	if (c->just_exec) {
		t->no_streams = true;
		transfer_attach(t, -1, -1, -1);
		return 0;
	}
	if (c->local)
		local->argv = shell;
	r = streams_attach(t, local, c->socket_stdin);
	if (r < 0)
		fprintf(stderr, "qrexec-client: %s: %s\n", c->local, strerror(-r));
	return r;
}

/* How often to ask whether the qube exists, once the daemon that would tell has gone before the call ended. */
#define ALIVE_CHECK_MS 1000
/* How long the qube may still take to open the channel then: its agent may have given up. */
#define ORPHAN_MS 10000

/*
 * Until the exit code is here. The daemon closes its connection when the agent has reported the end of the call, when the qube
 * is gone, and when it dies itself: a call outlives its daemon.
 */
static enum transfer_state run(struct client *c, struct transfer *t)
{
	int64_t deadline = c->timeout ? now_ms() + c->timeout * 1000 : 0;
	bool daemon_gone = false;
	enum transfer_state state;

	for (;;) {
		struct pollfd p[TRANSFER_FDS + 1];
		unsigned n = transfer_poll(t, p);
		int timeout = transfer_busy(t) ? 0 : -1;

		p[n] = (struct pollfd){.fd = daemon_gone ? -1 : c->daemon, .events = POLLIN};
		if (!transfer_ready(t) && deadline && timeout < 0) {
			timeout = (int)(deadline - now_ms());
			if (timeout <= 0) {
				client_fail(c, "the qube did not open the data channel in time");
				return TRANSFER_BROKEN;
			}
		}
		if (daemon_gone && (timeout < 0 || timeout > ALIVE_CHECK_MS))
			timeout = ALIVE_CHECK_MS;
		if (poll(p, n + 1, timeout) < 0)
			continue;
		state = transfer_step(t, p, n);
		if (state != TRANSFER_RUNNING)
			return state;
		if (p[n].revents) {
			daemon_gone = true;
			if (!deadline || deadline > now_ms() + ORPHAN_MS)
				deadline = now_ms() + ORPHAN_MS;
		}
		if (daemon_gone && !transfer_busy(t) && transfer_drained(t) && !libvchan_peer_alive(t->vchan))
			return TRANSFER_LOST;
	}
}

static int result(const struct client *c, const struct transfer *t, enum transfer_state state)
{
	switch (state) {
	case TRANSFER_DONE:
		return c->no_exit_code ? 0 : t->exit_code;
	case TRANSFER_PIPE:
		return 128 + SIGPIPE;
	case TRANSFER_UNWRITTEN:
		fprintf(stderr, "qrexec-client: %s: its output cannot be written: %s\n", c->domain, strerror(t->output_error));
		return QREXEC_EXIT_PROBLEM;
	case TRANSFER_LOST:
		client_fail(c, "the connection was lost before the command ended");
		return QREXEC_EXIT_PROBLEM;
	case TRANSFER_BROKEN:
		if (transfer_ready(t))
			client_fail(c, "the qube broke the protocol");
		return QREXEC_EXIT_PROBLEM;
	case TRANSFER_RUNNING:
		break;
	}
	return QREXEC_EXIT_PROBLEM;
}

static void wait_for_end(struct client *c)
{
	char buf[64];

	while (recv(c->daemon, buf, sizeof(buf), 0) > 0)
		;
}

static void kill_domain(const struct client *c)
{
	const char *const argv[] = {"qvm-kill", "--", c->domain, NULL};
	struct process p = {.argv = argv};

	process_run(&p);
}

static int call(struct client *c)
{
	const uint32_t type = c->just_exec ? MSG_JUST_EXEC : MSG_EXEC_CMDLINE;
	struct local_program local = {0};
	struct exec_params where = {0};
	struct transfer t;
	libvchan_t *vchan;
	int code, status;

	if (client_connect(c, c->domain) < 0 || client_ask(c, type, &where, c->command, strlen(c->command) + 1) < 0)
		return QREXEC_EXIT_PROBLEM;
	vchan = libvchan_server_init((int)where.connect_domain, (int)where.connect_port, QREXEC_DATA_RING,
	                             QREXEC_DATA_RING);
	if (!vchan) {
		fprintf(stderr, "qrexec-client: %s: data channel: %s\n", c->domain, strerror(errno));
		return QREXEC_EXIT_PROBLEM;
	}
	transfer_init(&t, TRANSFER_INITIATOR, vchan, true);
	t.filter_out = c->filter_out;
	t.filter_err = c->filter_err;
	if (c->prefix)
		transfer_prefix(&t, c->prefix, strlen(c->prefix));
	code = attach(c, &t, &local) < 0 ? QREXEC_EXIT_PROBLEM : result(c, &t, run(c, &t));
	transfer_free(&t);
	streams_restore();
	/* It has seen the end of its input by now. */
	if (local.pid > 0 && waitpid(local.pid, &status, 0) < 0)
		code = QREXEC_EXIT_PROBLEM;
	if (c->wait_end)
		wait_for_end(c);
	return code;
}

int main(int argc, char **argv)
{
	struct client c = {.socket_dir = CLIENT_SOCKET_DIR, .timeout = CONNECT_SECONDS};
	const struct option_def options[] = {
		{"domain", 'd', OPTION_STRING, &c.domain, "NAME", "the qube: name, domain id or uuid:UUID"},
		{"local", 'l', OPTION_STRING, &c.local, "COMMAND", "connect this command instead of our own streams"},
		{"just-exec", 'e', OPTION_FLAG, &c.just_exec, NULL, "start it and do not wait for its end"},
		{"filter-stdout", 't', OPTION_FLAG, &c.filter_out, NULL, "make stdout safe for a terminal"},
		{"filter-stderr", 'T', OPTION_FLAG, &c.filter_err, NULL, "the same for stderr"},
		{"timeout", 'w', OPTION_NUMBER, &c.timeout, "SECONDS", "for the qube to open the channel (300; 0: none)"},
		{"wait", 'W', OPTION_FLAG, &c.wait_end, NULL, "wait until the qube has closed the call"},
		{"kill", 'k', OPTION_FLAG, &c.kill_end, NULL, "kill the qube at the end"},
		{"no-exit-code", 'E', OPTION_FLAG, &c.no_exit_code, NULL, "always end with 0 once the command has run"},
		{"connect", 'c', OPTION_STRING, &c.service_call, "IDENT,NAME,DOMID", "answer a call that a qube made"},
		{"socket-dir", 0, OPTION_STRING, &c.socket_dir, "PATH", "where the daemons' sockets are"},
		{"prefix-data", 'p', OPTION_STRING, &c.prefix, "DATA", "send this before stdin"},
		{"use-stdin-socket", 0, OPTION_FLAG, &c.socket_stdin, NULL, "stdin is a socket for both directions"},
		{.name = NULL},
	};
	const struct command_line cmd = {
		.program = "qrexec-client",
		.operands = "USER:COMMAND",
		.summary = "Runs a command in a qube.",
		.notes = "USER is a user of the qube or DEFAULT. COMMAND is for its shell, or QUBESRPC SERVICE[+ARGUMENT] SOURCE.\n"
			 "Exit code: that of the command; 125 when the call failed, 126 refused, 127 no such service.",
		.options = options,
	};
	_cleanup_strv_ struct strv operands = {0};
	sigset_t set;
	int code;

	switch (options_parse(&cmd, argc, argv, &operands)) {
	case OPTIONS_OK:
		break;
	case OPTIONS_HELP:
		return 0;
	case OPTIONS_WRONG:
		return 1;
	}
	if (operands.n != 1 || !c.domain || !strchr(operands.v[0], ':') ||
	    (c.local != NULL) + c.just_exec + (c.service_call != NULL) > 1) {
		options_wrong(&cmd, "wants -d NAME and USER:COMMAND, and at most one of -l, -e, -c");
		return 1;
	}
	if ((c.prefix || c.socket_stdin) && is_dom0(c.domain)) {
		options_wrong(&cmd, "-p and --use-stdin-socket are for calls to qubes");
		return 1;
	}
	c.command = operands.v[0];
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (c.service_call)
		code = client_answer(&c);
	else if (is_dom0(c.domain))
		code = client_run_here(&c);
	else
		code = call(&c);
	if (c.kill_end)
		kill_domain(&c);
	return code;
}
