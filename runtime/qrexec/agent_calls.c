/* Calls into this qube: connect the data channel, start the program, move its streams, report the end. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/clock.h"
#include "common/sys/file.h"
#include "runtime/qrexec/agent.h"
#include "runtime/qrexec/launch.h"

static void call_free(struct call *c)
{
	if (c->transferring)
		transfer_free(&c->transfer);
	else
		libvchan_close(c->connecting);
	if (c->handed_fd >= 0)
		close(c->handed_fd);
	command_free(&c->command);
	service_free(&c->service);
	free(c->text);
	free(c);
}

/* The channel is closed before dom0 hears of the end: its port is free for the next call then. */
static void close_channel(struct call *c)
{
	if (c->transferring)
		transfer_free(&c->transfer);
	else
		libvchan_close(c->connecting);
	c->connecting = NULL;
	c->transferring = false;
}

static void finish(struct agent *a, struct call **at)
{
	struct call *c = *at;

	close_channel(c);
	agent_send(a, MSG_CONNECTION_TERMINATED, &c->where, sizeof(c->where), NULL, 0);
	*at = c->next;
	a->n_calls--;
	call_free(c);
}

struct call *agent_call_new(struct agent *a, bool just_exec, const struct exec_params *where, const char *command)
{
	struct call *c;

	if (a->n_calls >= AGENT_MAX_CALLS) {
		agent_log("too many calls at once, refusing one");
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	c->where = *where;
	c->just_exec = just_exec;
	c->handed_fd = -1;
	c->text = xstrdup(command);
	c->deadline = INT64_MAX;
	c->code = QREXEC_EXIT_PROBLEM;
	c->why = "malformed command";
	if (command_parse(command, &c->command) < 0)
		command_free(&c->command);
	else
		c->code = c->command.is_service ? service_find(&c->command, &c->service, &c->why) : 0;
	c->next = a->calls;
	a->calls = c;
	a->n_calls++;
	return c;
}

static unsigned connecting(const struct agent *a)
{
	unsigned n = 0;

	for (const struct call *c = a->calls; c; c = c->next)
		n += c->connecting != NULL;
	return n;
}

static void open_channel(struct call *c)
{
	int64_t now = now_ms();

	c->ticket = 0;
	c->turn_end = now + AGENT_TURN_MS;
	if (c->deadline == INT64_MAX)
		c->deadline = now + AGENT_CONNECT_SECONDS * 1000;
	c->connecting = libvchan_client_init_async((int)c->where.connect_domain, (int)c->where.connect_port, &c->watch_fd);
	if (!c->connecting) {
		agent_log("cannot open the data channel %u of domain %u: %s", c->where.connect_port, c->where.connect_domain,
		          strerror(errno));
		/* Its end is told in the next turn. */
		c->watch_fd = -1;
		c->deadline = 0;
	}
}

static struct call *next_waiting(const struct agent *a)
{
	struct call *first = NULL;

	for (struct call *c = a->calls; c; c = c->next)
		if (c->ticket && (!first || c->ticket < first->ticket))
			first = c;
	return first;
}

static void give_turns(struct agent *a)
{
	struct call *c;

	while (connecting(a) < AGENT_MAX_CONNECTING && (c = next_waiting(a)))
		open_channel(c);
}

static void queue(struct agent *a, struct call *c)
{
	c->ticket = ++a->tickets;
}

void agent_call_connect(struct agent *a, struct call *c)
{
	/* Whoever it is handed to opens the channel. */
	if (c->code == 0 && a->session && a->session->hand_over(a, c))
		return;
	queue(a, c);
	give_turns(a);
}

void agent_call_start(struct agent *a, bool just_exec, const struct exec_params *where, const char *command)
{
	struct call *c = agent_call_new(a, just_exec, where, command);

	if (!c)
		agent_send(a, MSG_CONNECTION_TERMINATED, where, sizeof(*where), NULL, 0);
	else if (!a->session || !a->session->wait(a, c))
		agent_call_connect(a, c);
}

/* Starts the program; when it cannot be, the caller sees the ends of its streams and the exit code. */
static void start(struct call *c)
{
	struct launched l = LAUNCHED_NOTHING;
	const char *why = c->why;
	int code = c->code;

	if (code == 0)
		code = launch(&c->command, c->command.is_service ? &c->service : NULL,
			      c->just_exec ? LAUNCH_DETACHED : LAUNCH_STREAMS, &l, &why);
	if (code)
		agent_log("%s: %s", c->command.is_service ? c->command.service : "command", why);
	c->pid = l.pid;
	c->transfer.no_streams = c->just_exec;
	c->transfer.end_on_in_eof = c->service.exit_on_client_eof;
	c->transfer.end_on_out_eof = c->service.exit_on_service_eof;
	launched_attach(&l, code, &c->transfer);
}

/* Returns whether the call is over. */
static bool step_connecting(struct agent *a, struct call *c)
{
	int r = 1;

	if (c->waits_for_session || c->ticket)
		return false;
	/* Not to be opened; or handed over, and whoever runs it closes the connection at its end. */
	if (!c->connecting)
		return c->deadline == 0 || a->polls.v[c->polled].revents;
	if (a->polls.v[c->polled].revents)
		r = libvchan_client_init_async_finish(c->connecting, false);
	if (r > 0 && now_ms() > c->deadline)
		r = -ETIMEDOUT;
	if (r < 0) {
		agent_log("data channel %u of domain %u: %s", c->where.connect_port, c->where.connect_domain, strerror(-r));
		return true;
	}
	if (r == 0) {
		transfer_init(&c->transfer, TRANSFER_SERVICE, c->connecting, true);
		c->connecting = NULL;
		c->transferring = true;
	} else if (now_ms() > c->turn_end && next_waiting(a)) {
		libvchan_close(c->connecting);
		c->connecting = NULL;
		queue(a, c);
	}
	return false;
}

static bool step(struct agent *a, struct call *c)
{
	const struct pollfd *p = a->polls.v + c->polled;
	unsigned n = c->polled_n;
	enum transfer_state state;

	if (!c->transferring) {
		if (step_connecting(a, c))
			return true;
		if (!c->transferring)
			return false;
		/* Greet at once; what was polled was another descriptor. */
		n = 0;
	}
	state = transfer_step(&c->transfer, p, n);
	if (state == TRANSFER_RUNNING && transfer_wants_program(&c->transfer)) {
		start(c);
		state = transfer_step(&c->transfer, NULL, 0);
	}
	if (state == TRANSFER_BROKEN)
		agent_log("domain %u broke the protocol on data channel %u", c->where.connect_domain, c->where.connect_port);
	return state != TRANSFER_RUNNING;
}

static void shorten(int *timeout, int64_t left)
{
	int ms = left > 0 ? (int)left + 1 : 0;

	if (*timeout < 0 || ms < *timeout)
		*timeout = ms;
}

void agent_calls_poll(struct agent *a, int *timeout)
{
	int64_t now = a->calls ? now_ms() : 0;
	bool crowd = next_waiting(a) != NULL;

	for (struct call *c = a->calls; c; c = c->next) {
		c->polled = a->polls.n;
		if (c->transferring) {
			struct pollfd p[TRANSFER_FDS];

			c->polled_n = transfer_poll(&c->transfer, p);
			for (unsigned i = 0; i < c->polled_n; i++)
				polls_add(&a->polls, p[i].fd, p[i].events);
			if (transfer_busy(&c->transfer))
				*timeout = 0;
		} else {
			polls_add(&a->polls, c->connecting ? c->watch_fd : c->handed_fd, POLLIN);
			if (c->connecting || c->deadline == 0)
				shorten(timeout, c->deadline - now);
			if (c->connecting && crowd)
				shorten(timeout, c->turn_end - now);
		}
	}
}

static bool has_events(const struct agent *a, const struct call *c)
{
	if (!c->transferring || transfer_busy(&c->transfer))
		return true;
	for (unsigned i = 0; i < c->polled_n; i++)
		if (a->polls.v[c->polled + i].revents)
			return true;
	return false;
}

void agent_calls_step(struct agent *a)
{
	struct call **at = &a->calls;

	while (*at) {
		if (has_events(a, *at) && step(a, *at))
			finish(a, at);
		else
			at = &(*at)->next;
	}
	give_turns(a);
}

void agent_reap(struct agent *a)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct call *c;

		for (c = a->calls; c && c->pid != pid; c = c->next)
			;
		if (!c) {
			if (a->session)
				a->session->reap(a, pid);
			continue;
		}
		c->pid = 0;
		transfer_exited(&c->transfer, launch_exit_code(status));
	}
}

static pid_t parent_of(pid_t pid)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/stat", (int)pid);
	_cleanup_strbuf_ struct strbuf text = {0};
	const char *p;

	if (read_file(AT_FDCWD, path, 4096, &text) < 0)
		return 0;
	/* The name before it may have anything in it but ends here: "PID (NAME) STATE PARENT". */
	p = strrchr(text.p, ')');
	return p && strlen(p) > 4 ? (pid_t)atoi(p + 4) : 0;
}

void agent_single_socket(struct agent *a, pid_t pid)
{
	for (int i = 0; i < 32 && pid > 1; i++, pid = parent_of(pid)) {
		for (struct call *c = a->calls; c; c = c->next) {
			if (c->pid == pid && c->transferring) {
				transfer_single_socket(&c->transfer);
				return;
			}
		}
	}
}
