/*
 * qrexec-policy-daemon: decides calls for the qrexec-daemons (ref: runtime.md 3.8), and says on two more sockets, which are services of
 * dom0, what it would decide (policy.EvalSimple, policy.EvalGUI).
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/socket.h"
#include "common/ui/options.h"
#include "runtime/qrexec/qubesd.h"
#include "runtime/qrexec/policy/decide.h"
#include "runtime/qrexec/policy/eval.h"
#include "runtime/qrexec/policy/reply.h"

#define EVAL_SIMPLE_SOCKET "/etc/qubes-rpc/policy.EvalSimple"
#define EVAL_GUI_SOCKET "/etc/qubes-rpc/policy.EvalGUI"
#define MAX_CLIENTS 512

enum kind { KIND_QUERY, KIND_EVAL_SIMPLE, KIND_EVAL_GUI };

struct server;

struct listener {
	struct server *server;
	enum kind kind;
	int fd;
};

struct server {
	sd_event *event;
	struct decider decider;
	struct listener listeners[3];
	struct client *clients;
	unsigned n_clients;
};

struct client {
	struct server *server;
	struct client *next;
	enum kind kind;
	int fd;
	sd_event_source *source;
	struct strbuf in;
	struct decision_job *job;
	struct eval eval;
	bool asked;
};

static void client_free(struct client *c)
{
	struct client **at = &c->server->clients;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->server->n_clients--;
	decision_cancel(c->job);
	sd_event_source_disable_unref(c->source);
	close(c->fd);
	strbuf_free(&c->in);
	eval_free(&c->eval);
	free(c);
}

/* The answer is small: a client that has no room for it does not read. */
static void answer(struct client *c, struct blob text)
{
	if (send(c->fd, text.p, text.n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		fprintf(stderr, "qrexec-policy-daemon: an answer was not taken: %s\n", strerror(errno));
	client_free(c);
}

static void decided(const struct policy_decision *d, const struct system_info *s, struct arena *a, void *arg)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct client *c = arg;

	c->job = NULL;
	if (c->kind == KIND_QUERY)
		reply_write(a, d, &text);
	else
		eval_write(&c->eval, c->kind == KIND_EVAL_GUI, d, s, &text);
	answer(c, strbuf_blob(&text));
}

static void refuse(struct client *c, const char *why)
{
	fprintf(stderr, "qrexec-policy-daemon: malformed request: %s\n", why);
	answer(c, BLOB("result=deny\n"));
}

static void take_query(struct client *c, struct blob text)
{
	_cleanup_arena_ struct arena *a = arena_new();
	struct policy_query q;
	const char *why;

	c->asked = true;
	if (policy_query_parse(text, a, &q, &why))
		decide(&c->server->decider, &q, decided, c, &c->job);
	else
		refuse(c, why);
}

static void take_eval(struct client *c)
{
	struct policy_query q;

	c->asked = true;
	if (!eval_parse(strbuf_blob(&c->in), &c->eval)) {
		refuse(c, "policy.Eval");
		return;
	}
	q = (struct policy_query){
		.source = c->eval.source, .intended_target = c->eval.target, .service = c->eval.service, .just_evaluate = true};
	decide(&c->server->decider, &q, decided, c, &c->job);
}

/* 1: something new; 0: nothing now; < 0: the end. */
static int pull(struct client *c)
{
	ssize_t n = recv(c->fd, strbuf_reserve(&c->in, 4096), 4096, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ENODATA;
	c->in.n += (size_t)n;
	return c->in.n > POLICY_QUERY_MAX ? -EFBIG : 1;
}

static int on_client(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct client *c = arg;
	const char *end;
	int r;

	(void)source;
	(void)fd;
	(void)events;
	r = pull(c);
	/* After its question a client only says by leaving that it does not want the answer; a half-close is not that. */
	if (c->asked) {
		if ((events & (EPOLLHUP | EPOLLERR)) || r > 0)
			client_free(c);
		else if (r < 0)
			sd_event_source_set_io_events(c->source, 0);
		return 0;
	}
	end = c->in.n ? memmem(c->in.p, c->in.n, "\n\n", 2) : NULL;
	if (c->kind == KIND_QUERY && end)
		take_query(c, (struct blob){c->in.p, (size_t)(end - c->in.p) + 1});
	else if (c->kind != KIND_QUERY && r == -ENODATA)
		take_eval(c);
	else if (r < 0)
		client_free(c);
	return 0;
}

static int on_accept(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct listener *l = arg;
	struct server *s = l->server;
	struct client *c;
	int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)source;
	(void)events;
	if (conn < 0)
		return 0;
	if (s->n_clients == MAX_CLIENTS) {
		close(conn);
		return 0;
	}
	c = xcalloc(1, sizeof(*c));
	*c = (struct client){.server = s, .next = s->clients, .kind = l->kind, .fd = conn};
	s->clients = c;
	s->n_clients++;
	if (sd_event_add_io(s->event, &c->source, conn, EPOLLIN, on_client, c) < 0)
		client_free(c);
	return 0;
}

/* For the group of the folder, which is "qubes". */
static int listen_at(struct server *s, enum kind kind, const char *path)
{
	struct listener *l = &s->listeners[kind];
	int r;

	*l = (struct listener){s, kind, socket_listen(path, 0770, SOCK_NONBLOCK, 128)};
	r = l->fd < 0 ? l->fd : sd_event_add_io(s->event, NULL, l->fd, EPOLLIN, on_accept, l);
	if (r < 0)
		fprintf(stderr, "qrexec-policy-daemon: %s: cannot listen: %s\n", path, strerror(-r));
	return r;
}

static int serve(struct server *s, const char *const paths[3])
{
	int r;

	if (sd_event_default(&s->event) < 0)
		return 1;
	s->decider.event = s->event;
	sd_event_set_watchdog(s->event, true);
	sd_event_add_signal(s->event, NULL, SIGTERM | SD_EVENT_SIGNAL_PROCMASK, NULL, NULL);
	sd_event_add_signal(s->event, NULL, SIGINT | SD_EVENT_SIGNAL_PROCMASK, NULL, NULL);
	/* Agents in other qubes are reached by programs that nobody waits for. */
	signal(SIGCHLD, SIG_IGN);
	r = decider_setup(&s->decider);
	if (r < 0)
		fprintf(stderr, "qrexec-policy-daemon: changes of the policy cannot be noticed: %s\n", strerror(-r));
	if (r >= 0 && (r = listen_at(s, KIND_QUERY, paths[KIND_QUERY])) >= 0) {
		/* Without these the daemons are still served. */
		listen_at(s, KIND_EVAL_SIMPLE, paths[KIND_EVAL_SIMPLE]);
		listen_at(s, KIND_EVAL_GUI, paths[KIND_EVAL_GUI]);
		sd_notify(0, "READY=1");
		r = sd_event_loop(s->event);
	}
	for (int i = 0; i < 3; i++)
		if (s->listeners[i].fd > 0)
			unlink(paths[i]);
	while (s->clients)
		client_free(s->clients);
	decider_free(&s->decider);
	sd_event_unref(s->event);
	return r < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
	static struct server s = {.decider = {.places = {0}, .qubesd_socket = QUBESD_INTERNAL_SOCKET, .agent_socket = POLICY_AGENT_SOCKET}};
	const char *paths[3] = {POLICY_SOCKET, EVAL_SIMPLE_SOCKET, EVAL_GUI_SOCKET};
	struct strv dirs = {0};
	const struct option_def options[] = {
		{"policy-path", 0, OPTION_LIST, &dirs, "DIR", "read this folder instead; may be repeated, the first wins"},
		{"legacy-path", 0, OPTION_STRING, &s.decider.places.legacy, "DIR", "what !compat-4.0 reads"},
		{"socket-path", 0, OPTION_STRING, &paths[KIND_QUERY], "PATH", "where qrexec-daemon asks"},
		{"eval-socket-path", 0, OPTION_STRING, &paths[KIND_EVAL_SIMPLE], "PATH", "policy.EvalSimple"},
		{"gui-socket-path", 0, OPTION_STRING, &paths[KIND_EVAL_GUI], "PATH", "policy.EvalGUI"},
		{"qubesd-socket", 0, OPTION_STRING, &s.decider.qubesd_socket, "PATH", "where qubesd tells about the qubes"},
		{"agent-socket", 0, OPTION_STRING, &s.decider.agent_socket, "PATH", "where the user is asked"},
		{.name = NULL},
	};
	const struct command_line cmd = {
		.program = "qrexec-policy-daemon",
		.operands = "",
		.summary = "Decides which calls between qubes are allowed.",
		.options = options,
	};
	_cleanup_strv_ struct strv operands = {0};
	int code;

	s.decider.places = policy_standard_places;
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
	if (dirs.n)
		s.decider.places.dirs = (const char *const *)dirs.v;
	code = serve(&s, paths);
	strv_free(&dirs);
	return code;
}
