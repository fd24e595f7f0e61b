#include "runtime/qrexec/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/clock.h"
#include "common/sys/log_file.h"
#include "common/sys/socket.h"
#include "common/ui/options.h"
#include "runtime/qrexec/qubesd.h"
#include "runtime/qrexec/notify.h"

#define SOCKET_DIR "/var/run/qubes"
#define LOG_DIR "/var/log/qubes"
#define POLICY_PROGRAM "/usr/bin/qrexec-policy-exec"
#define EXIT_TIMEOUT 3
/* How long the last calls of disposables may take to end, and then qubesd to remove these. */
#define SEE_OFF_MS 30000
/* Messages of the qube that are taken before everybody else gets a turn. */
#define CONTROL_TURN 64
/*
 * A qube can bring about most lines of the log, as many as it likes: so many are written at once, then one in this time, and
 * how many were not.
 */
#define LOG_BURST 100
#define LOG_INTERVAL_MS 5000

static bool may_log(struct log_limit *l)
{
	int64_t now = now_ms();

	/* `spent`: when all that was written has been waited for. */
	if (l->spent < now)
		l->spent = now;
	if (l->spent - now > (LOG_BURST - 1) * LOG_INTERVAL_MS) {
		l->suppressed++;
		return false;
	}
	l->spent += LOG_INTERVAL_MS;
	return true;
}

void daemon_log(struct daemon *d, const char *fmt, ...)
{
	va_list args;
	char line[512];

	if (!may_log(&d->log_limit))
		return;
	log_file_bound(d->log_path);
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (d->log_limit.suppressed)
		fprintf(stderr, "qrexec-daemon: %s: %u more messages not written\n", d->name, d->log_limit.suppressed);
	d->log_limit.suppressed = 0;
	fprintf(stderr, "qrexec-daemon: %s: %s\n", d->name, line);
}

void daemon_send(struct daemon *d, uint32_t type, const void *p, size_t n, const void *q, size_t q_n)
{
	if (d->greeted)
		channel_send(&d->control, type, p, n, q, q_n);
}

/* --- the sockets: they exist while calls are possible --- */

static char *socket_path(const struct daemon *d)
{
	return xasprintf("%s/qrexec.%d", d->socket_dir, d->domid);
}

static void link_name(struct daemon *d, const char *prefix, const char *name, bool create)
{
	_cleanup_free_ char *target = xasprintf("qrexec.%d", d->domid);
	_cleanup_free_ char *path = NULL;
	char old[64];
	ssize_t n;

	if (!name)
		return;
	path = xasprintf("%s/qrexec.%s%s", d->socket_dir, prefix, name);
	if (create) {
		unlink(path);
		if (symlink(target, path) < 0)
			daemon_log(d, "%s: %s", path, strerror(errno));
		return;
	}
	/* A new daemon for a restarted qube of this name may have put its own there. */
	n = readlink(path, old, sizeof(old) - 1);
	if (n > 0 && (size_t)n == strlen(target) && memcmp(old, target, (size_t)n) == 0)
		unlink(path);
}

static void close_sockets(struct daemon *d)
{
	_cleanup_free_ char *path = socket_path(d);

	if (d->listen_fd < 0)
		return;
	link_name(d, "", d->name, false);
	link_name(d, "uuid:", d->uuid, false);
	unlink(path);
	close(d->listen_fd);
	d->listen_fd = -1;
}

static int open_sockets(struct daemon *d)
{
	_cleanup_free_ char *path = socket_path(d);

	/* For the group of the directory, which is "qubes". */
	d->listen_fd = socket_listen(path, 0770, SOCK_NONBLOCK, 2 * DAEMON_MAX_CLIENTS);
	if (d->listen_fd < 0)
		return d->listen_fd;
	link_name(d, "", d->name, true);
	link_name(d, "uuid:", d->uuid, true);
	return 0;
}

/* --- the control channel --- */

static int start_connecting(struct daemon *d)
{
	d->vchan = libvchan_client_init_async(d->domid, QREXEC_CONTROL_PORT, &d->watch_fd);
	if (!d->vchan)
		return -errno;
	d->connecting = true;
	d->greeted = false;
	return 0;
}

static int step_connecting(struct daemon *d)
{
	int r = libvchan_client_init_async_finish(d->vchan, false);

	if (r > 0)
		return 0;
	if (r < 0)
		return r;
	d->connecting = false;
	channel_init_vchan(&d->control, d->vchan);
	return 1;
}

static void tell_parent(struct daemon *d)
{
	if (d->ready_fd < 0)
		return;
	if (write(d->ready_fd, "1", 1) < 0)
		daemon_log(d, "nobody waits for the start any more");
	close(d->ready_fd);
	d->ready_fd = -1;
}

static int take_hello(struct daemon *d, const struct message *m)
{
	struct peer_info info;

	if (m->type != MSG_HELLO)
		return -EPROTO;
	memcpy(&info, m->p, sizeof(info));
	if (info.version < QREXEC_PROTOCOL_MIN) {
		daemon_log(d, "the qube's agent speaks protocol %u; update the qube", info.version);
		return -EPROTONOSUPPORT;
	}
	d->version = info.version < QREXEC_PROTOCOL_VERSION ? info.version : QREXEC_PROTOCOL_VERSION;
	d->greeted = true;
	/* Its own number goes back to it, whatever it is: that is how upstream's daemon answers. */
	channel_send(&d->control, MSG_HELLO, &info, sizeof(info), NULL, 0);
	if (open_sockets(d) < 0) {
		daemon_log(d, "%s: cannot listen: %s", d->socket_dir, strerror(errno));
		return -EIO;
	}
	d->served = true;
	tell_parent(d);
	notify_ready();
	return 0;
}

static int take_message(struct daemon *d, const struct message *m)
{
	struct exec_params where;

	if (!d->greeted)
		return take_hello(d, m);
	switch (m->type) {
	case MSG_TRIGGER_SERVICE:
	case MSG_TRIGGER_SERVICE3:
	case MSG_TRIGGER_SERVICE4:
		daemon_request(d, m->type, m);
		return 0;
	case MSG_CONNECTION_TERMINATED:
		memcpy(&where, m->p, sizeof(where));
		daemon_port_free(d, &where);
		return 0;
	default:
		return -EPROTO;
	}
}

/* 0, -EPIPE when the agent is gone or useless, other errors end the daemon. */
static int step_control(struct daemon *d, bool event)
{
	struct message m;
	unsigned n = 0;
	int r;

	if (event && libvchan_wait(d->vchan) < 0)
		return -EPIPE;
	r = channel_flush(&d->control);
	while (r == 0 && n++ < CONTROL_TURN && (r = channel_read(&d->control, &m)) > 0)
		r = take_message(d, &m);
	/* There may be more, of which no event tells. */
	d->more = r == 0 && n > CONTROL_TURN;
	if (r == 0 && !d->more && event && libvchan_is_open(d->vchan) == VCHAN_DISCONNECTED &&
	    libvchan_data_ready(d->vchan) <= 0)
		r = -EPIPE;
	if (r == -EPROTO)
		daemon_log(d, "the qube broke the protocol, closing its control channel");
	return r == -EPROTO ? -EPIPE : r;
}

static int reconnect(struct daemon *d)
{
	close_sockets(d);
	daemon_clients_drop(d);
	daemon_requests_drop(d);
	d->more = false;
	channel_free(&d->control);
	libvchan_close(d->vchan);
	d->vchan = NULL;
	return start_connecting(d);
}

static int step_vchan(struct daemon *d, bool event)
{
	int r;

	if (d->connecting) {
		r = event ? step_connecting(d) : 0;
		if (r <= 0)
			return r;
		event = false;
	}
	r = step_control(d, event);
	return r == -EPIPE ? reconnect(d) : r;
}

/* Returns whether we are to end. */
static bool take_signals(struct daemon *d)
{
	struct signalfd_siginfo info;

	while (read(d->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo != SIGCHLD)
			return true;
		daemon_requests_reap(d);
	}
	return false;
}

static int run(struct daemon *d)
{
	enum { CONTROL, SIGNALS, LISTEN };

	for (;;) {
		int r;

		d->polls.n = 0;
		polls_add(&d->polls, d->connecting ? d->watch_fd : libvchan_fd_for_select(d->vchan), POLLIN);
		polls_add(&d->polls, d->signal_fd, POLLIN);
		polls_add(&d->polls, d->n_clients < DAEMON_MAX_CLIENTS ? d->listen_fd : -1, POLLIN);
		daemon_clients_poll(d);
		daemon_requests_poll(d);
		if (poll(d->polls.v, d->polls.n, d->more ? 0 : -1) < 0)
			continue;
		if (d->polls.v[SIGNALS].revents && take_signals(d))
			return 0;
		daemon_requests_step(d);
		daemon_clients_step(d);
		if (d->polls.v[LISTEN].revents && d->listen_fd >= 0)
			daemon_clients_accept(d);
		r = d->polls.v[CONTROL].revents || d->more ? step_vchan(d, d->polls.v[CONTROL].revents) : 0;
		if (r < 0) {
			daemon_log(d, "%s", r == -ESRCH ? "the qube is gone" : strerror(-r));
			/* After a life in service that is how it ends. */
			return r == -ESRCH && d->served ? 0 : r;
		}
	}
}

/* No more calls; only disposables are left, which nobody else would remove. */
static void see_off(struct daemon *d)
{
	int64_t deadline = now_ms() + SEE_OFF_MS;
	bool ending = false;

	/* What is mapped of a domain that is gone keeps it from going altogether. */
	d->greeted = false;
	channel_free(&d->control);
	libvchan_close(d->vchan);
	daemon_clients_drop(d);
	daemon_requests_drop(d);
	while (d->requests) {
		int64_t left = deadline - now_ms();

		if (left <= 0 && ending)
			return;
		if (left <= 0) {
			ending = true;
			deadline = now_ms() + SEE_OFF_MS;
			daemon_requests_end(d);
			continue;
		}
		d->polls.n = 0;
		polls_add(&d->polls, d->signal_fd, POLLIN);
		daemon_requests_poll(d);
		if (poll(d->polls.v, d->polls.n, (int)left) < 0)
			continue;
		if (d->polls.v[0].revents && take_signals(d))
			return;
		daemon_requests_step(d);
	}
}

/* --- start --- */

static void leave_terminal(struct daemon *d)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	dup2(null, STDIN_FILENO);
	d->log_path = xasprintf("%s/qrexec.%s.log", d->log_dir, d->name);
	log_file_open(d->log_path);
}

static int serve(struct daemon *d)
{
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	d->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, NULL);
	r = start_connecting(d);
	if (r < 0)
		daemon_log(d, "cannot connect to domain %d: %s", d->domid, strerror(-r));
	else
		r = run(d);
	close_sockets(d);
	see_off(d);
	return r < 0 ? 1 : 0;
}

/* In the parent: until the child says it is ready, ends, or the time is over. */
static int wait_for_child(struct daemon *d, int fd)
{
	const char *s = getenv("QREXEC_STARTUP_TIMEOUT");
	int seconds = s ? atoi(s) : 60;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char c;
	int r;

	if (getenv("QREXEC_STARTUP_NOWAIT"))
		return 0;
	do
		r = poll(&p, 1, seconds * 1000);
	while (r < 0 && errno == EINTR);
	if (r == 0) {
		if (!d->quiet)
			fprintf(stderr, "qrexec-daemon: %s: no answer from the qube's agent within %d s; still waiting in the "
			                "background\n", d->name, seconds);
		return EXIT_TIMEOUT;
	}
	if (read(fd, &c, 1) == 1)
		return 0;
	if (!d->quiet)
		fprintf(stderr, "qrexec-daemon: %s: did not start; see %s/qrexec.%s.log\n", d->name, d->log_dir, d->name);
	return 1;
}

static int serve_in_background(struct daemon *d)
{
	int pipe_fds[2];
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return 1;
	pid = fork();
	if (pid < 0)
		return 1;
	if (pid > 0) {
		close(pipe_fds[1]);
		return wait_for_child(d, pipe_fds[0]);
	}
	close(pipe_fds[0]);
	leave_terminal(d);
	d->ready_fd = pipe_fds[1];
	return serve(d);
}

int main(int argc, char **argv)
{
	static struct daemon d = {.socket_dir = SOCKET_DIR, .log_dir = LOG_DIR, .default_user = "user", .listen_fd = -1, .ready_fd = -1,
	                          .policy_program = POLICY_PROGRAM, .qubesd_socket = QUBESD_SOCKET};
	bool direct = false;
	const struct option_def options[] = {
		{"quiet", 'q', OPTION_FLAG, &d.quiet, NULL, "no messages while starting"},
		{"socket-dir", 0, OPTION_STRING, &d.socket_dir, "PATH", "where the sockets are made"},
		{"log-dir", 0, OPTION_STRING, &d.log_dir, "PATH", "where the log is written"},
		{"policy-program", 'p', OPTION_STRING, &d.policy_program, "PATH", "decides when the policy daemon cannot"},
		{"qubesd-socket", 0, OPTION_STRING, &d.qubesd_socket, "PATH", "where qubes are started"},
		{"direct", 'D', OPTION_FLAG, &direct, NULL, "stay in the foreground"},
		{"uuid", 'u', OPTION_STRING, &d.uuid, "UUID", "of the qube"},
		{.name = NULL},
	};
	const struct command_line cmd = {
		.program = "qrexec-daemon",
		.operands = "DOMID NAME [DEFAULT_USER]",
		.summary = "Serves the calls to and from one running qube.",
		.options = options,
	};
	_cleanup_strv_ struct strv operands = {0};

	switch (options_parse(&cmd, argc, argv, &operands)) {
	case OPTIONS_OK:
		break;
	case OPTIONS_HELP:
		return 0;
	case OPTIONS_WRONG:
		return 1;
	}
	if (operands.n < 2 || operands.n > 3 || atoi(operands.v[0]) <= 0) {
		options_wrong(&cmd, "wants a domain id, a name and perhaps a user");
		return 1;
	}
	d.domid = atoi(operands.v[0]);
	d.name = operands.v[1];
	if (operands.n == 3)
		d.default_user = operands.v[2];
	return direct ? serve(&d) : serve_in_background(&d);
}
