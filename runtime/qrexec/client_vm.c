/*
 * qrexec-client-vm: a call from this qube to another one (ref: runtime.md 3.6, 3.7). It asks the agent, which asks dom0; when the
 * policy allows it, the answer names the data channel to offer.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/clock.h"
#include "common/sys/file.h"
#include "common/sys/socket.h"
#include "common/ui/options.h"
#include "runtime/qrexec/protocol.h"
#include "runtime/qrexec/streams.h"
#include "runtime/qrexec/transfer.h"

#define AGENT_SOCKET "/var/run/qubes/qrexec-agent"
#define EXIT_USAGE 2

struct options {
	const char *socket_path, *prefix, *source;
	bool filter_out, filter_err, no_filter_out, no_filter_err, socket_stdin;
	long buffer_size; /* accepted; the ring has the size upstream's service side expects */
};

static int fail(const char *what)
{
	fprintf(stderr, "qrexec-client-vm: %s\n", what);
	return QREXEC_EXIT_PROBLEM;
}

/* -ENAMETOOLONG when a name does not fit into the message, or what sending it gave. */
static int send_request(int fd, const struct options *o, const char *target, const char *service)
{
	struct {
		struct msg_header h;
		struct trigger_service_params4 p;
	} m = {.h.type = MSG_TRIGGER_SERVICE4};
	size_t n = strlen(service) + 1;
	int r;

	if (strlen(target) >= sizeof(m.p.target_domain) || n > QREXEC_MAX_SERVICE ||
	    (o->source && strlen(o->source) >= sizeof(m.p.source_domain)))
		return -ENAMETOOLONG;
	m.h.len = (uint32_t)(sizeof(m.p) + n);
	strcpy(m.p.target_domain, target);
	/* Written '$default' before '@' took its place. */
	for (char *p = m.p.target_domain; *p; p++)
		if (*p == '$')
			*p = '@';
	if (o->source)
		strcpy(m.p.source_domain, o->source);
	strcpy(m.p.request_id.ident, "SOCKET");
	r = write_all(fd, &m, sizeof(m));
	return r < 0 ? r : write_all(fd, service, n);
}

/* How long the other side may still take to open the channel, once the agent that would tell of its end has gone. */
#define ORPHAN_MS 10000

/* `agent` is the connection that stands for the call as long as nobody is on the data channel. */
static enum transfer_state run(struct transfer *t, int agent)
{
	int64_t deadline = 0;
	enum transfer_state state;

	do {
		struct pollfd p[TRANSFER_FDS + 1];
		unsigned n = transfer_poll(t, p);
		int timeout = transfer_busy(t) ? 0 : -1;

		p[n] = (struct pollfd){.fd = transfer_ready(t) || deadline ? -1 : agent, .events = POLLIN};
		if (deadline && !transfer_ready(t) && timeout < 0) {
			timeout = (int)(deadline - now_ms());
			if (timeout <= 0)
				return TRANSFER_LOST;
		}
		if (poll(p, n + 1, timeout) < 0)
			n = 0;
		else if (p[n].fd >= 0 && p[n].revents)
			deadline = now_ms() + ORPHAN_MS;
		state = transfer_step(t, p, n);
	} while (state == TRANSFER_RUNNING);
	return state;
}

static int call(const struct options *o, int agent, const struct exec_params *where, const char *const *program)
{
	struct local_program local = {.argv = program};
	enum transfer_state state;
	struct transfer t;
	libvchan_t *vchan;
	int status, error;

	vchan = libvchan_server_init((int)where->connect_domain, (int)where->connect_port, QREXEC_DATA_RING,
	                             QREXEC_DATA_RING);
	if (!vchan)
		return fail("cannot offer the data channel");
	transfer_init(&t, TRANSFER_INITIATOR, vchan, true);
	t.filter_out = !o->no_filter_out && (o->filter_out || (!program && isatty(1)));
	t.filter_err = !o->no_filter_err && (o->filter_err || (!program && isatty(2)));
	if (o->prefix)
		transfer_prefix(&t, o->prefix, strlen(o->prefix));
	if (streams_attach(&t, &local, o->socket_stdin) < 0) {
		transfer_free(&t);
		return fail("cannot start the local program");
	}
	state = run(&t, agent);
	error = t.output_error;
	transfer_free(&t);
	streams_restore();
	if (local.pid > 0 && waitpid(local.pid, &status, 0) < 0)
		state = TRANSFER_LOST;
	if (state == TRANSFER_DONE)
		return t.exit_code;
	if (state == TRANSFER_PIPE)
		return 128 + SIGPIPE;
	if (state == TRANSFER_UNWRITTEN) {
		fprintf(stderr, "qrexec-client-vm: the output cannot be written: %s\n", strerror(error));
		return QREXEC_EXIT_PROBLEM;
	}
	return fail(state == TRANSFER_BROKEN ? "the other side broke the protocol" : "the connection was lost");
}

static int request(const struct options *o, const char *target, const char *service, const char *const *program)
{
	struct exec_params where;
	_cleanup_close_ int fd = socket_connect(o->socket_path, 0);
	int r;

	if (fd < 0) {
		fprintf(stderr, "qrexec-client-vm: %s: %s\n", o->socket_path, strerror(-fd));
		return QREXEC_EXIT_PROBLEM;
	}
	r = send_request(fd, o, target, service);
	if (r == -ENAMETOOLONG)
		return fail("target or service name too long");
	/* An agent that hangs up refuses. The decision may take as long as a person needs. */
	if (r < 0 || read_full(fd, &where, sizeof(where)) < 0) {
		fprintf(stderr, "Request refused\n");
		return QREXEC_EXIT_REFUSED;
	}
	/* The agent keeps the connection as the sign that the call lives. */
	return call(o, fd, &where, program);
}

int main(int argc, char **argv)
{
	struct options o = {.socket_path = AGENT_SOCKET};
	const struct option_def options[] = {
		{"buffer-size", 0, OPTION_NUMBER, &o.buffer_size, "BYTES", "accepted, without effect"},
		{"filter-escape-chars-stdout", 't', OPTION_FLAG, &o.filter_out, NULL, "make stdout safe for a terminal"},
		{"filter-escape-chars-stderr", 'T', OPTION_FLAG, &o.filter_err, NULL, "the same for stderr"},
		{"no-filter-escape-chars-stdout", 0, OPTION_FLAG, &o.no_filter_out, NULL, "not even on a terminal"},
		{"no-filter-escape-chars-stderr", 0, OPTION_FLAG, &o.no_filter_err, NULL, "the same for stderr"},
		{"agent-socket", 'a', OPTION_STRING, &o.socket_path, "PATH", "where the agent listens"},
		{"prefix-data", 'p', OPTION_STRING, &o.prefix, "DATA", "send this before stdin"},
		{"use-stdin-socket", 0, OPTION_FLAG, &o.socket_stdin, NULL, "stdin is a socket for both directions"},
		{"source-qube", 's', OPTION_STRING, &o.source, "NAME", "call in the name of this remote qube"},
		{.name = NULL},
	};
	const struct command_line cmd = {
		.program = "qrexec-client-vm",
		.operands = "TARGET SERVICE[+ARGUMENT] [PROGRAM [ARGUMENT]...]",
		.summary = "Calls a service of another qube, if the policy in dom0 allows it.",
		.notes = "TARGET may be empty: the policy chooses. With PROGRAM, its stdin and stdout are connected to the service;\n"
			 "it finds our own as SAVED_FD_0 and SAVED_FD_1.\n"
			 "Exit code: that of the service; 125 when the call failed, 126 refused, 127 no such service.",
		.options = options,
		.stop_at_operand = true,
	};
	_cleanup_strv_ struct strv operands = {0};
	sigset_t set;

	if (argc == 2 && strcmp(argv[1], "-h") == 0) {
		options_help(&cmd);
		return EXIT_USAGE;
	}
	switch (options_parse(&cmd, argc, argv, &operands)) {
	case OPTIONS_OK:
		break;
	case OPTIONS_HELP:
		return 0;
	case OPTIONS_WRONG:
		return EXIT_USAGE;
	}
	if (operands.n < 2)
		return options_wrong(&cmd, "wants a target and a service");
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return request(&o, *operands.v[0] ? operands.v[0] : "@default", operands.v[1],
	               operands.n > 2 ? (const char *const *)operands.v + 2 : NULL);
}
