#include "runtime/qubesd/server.h"

#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/base/alloc.h"
#include "common/sys/socket.h"
#include "runtime/qubesd/call.h"
#include "runtime/qubesd/stats.h"

enum {
	CONNECTIONS_MAX = 512,
	GUESTS_MAX = 384,      /* of these from all other qubes than dom0, */
	SOURCE_MAX = 64,       /* and from each of them */
	REQUEST_TIMEOUT = 30,  /* seconds for a whole request: in emulation a qube is slow */
	BACKLOG_MAX = 4 << 20, /* a subscriber that does not read is dropped beyond this */
};

struct connection {
	struct qubesd *d;
	struct connection *next, *prev;
	int fd;
	sd_event_source *io, *limit; /* limit: until the request is whole */
	char *source;		     /* the qube that asks, once the request's head is there */
	struct strbuf in, out;
	size_t sent;
	struct call *pending; /* a call to be answered later */
	bool subscribed, answered;
	bool stats; /* subscribed to these instead of events */
	struct vm *subject; /* events of this qube only; NULL: all */
};

static void call_free(struct call *c)
{
	strbuf_free(&c->out);
	arena_free(c->arena);
	vm_unref(c->source);
	vm_unref(c->target);
	free(c);
}

static void connection_close(struct connection *c)
{
	if (c->pending)
		c->pending->connection = NULL;
	if (c->prev)
		c->prev->next = c->next;
	else
		c->d->connections = c->next;
	if (c->next)
		c->next->prev = c->prev;
	sd_event_source_disable_unref(c->io);
	sd_event_source_disable_unref(c->limit);
	/* A child that is just being started may have a copy of the descriptor. */
	shutdown(c->fd, SHUT_RDWR);
	close(c->fd);
	free(c->source);
	strbuf_free(&c->in);
	strbuf_free(&c->out);
	free(c);
}

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *user);

/* Most requests are answered before there is anything to watch. */
static int watch(struct connection *c, uint32_t events)
{
	return c->io ? sd_event_source_set_io_events(c->io, events)
		     : sd_event_add_io(c->d->event, &c->io, c->fd, events, on_io, c);
}

static const char established[] = "connection-established";

void server_close(struct qubesd *d)
{
	event_send(d, NULL, "qubes-close", NULL);
	while (d->connections)
		connection_close(d->connections);
}

/* Sends what it can; closes when all of an answer is out or the peer is gone. */
static void connection_flush(struct connection *c)
{
	while (c->sent < c->out.n) {
		ssize_t n = send(c->fd, c->out.p + c->sent, c->out.n - c->sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			if (watch(c, EPOLLOUT) < 0)
				connection_close(c);
			return;
		}
		if (n < 0) {
			connection_close(c);
			return;
		}
		c->sent += (size_t)n;
	}
	strbuf_reset(&c->out);
	c->sent = 0;
	if (c->answered || watch(c, 0) < 0) /* only the end of the peer matters */
		connection_close(c);
}

static void add_answer(struct strbuf *out, const struct call *call)
{
	if (!call->exception) {
		strbuf_add(out, "0\0", 2);
		strbuf_add(out, call->out.p ? call->out.p : "", call->out.n);
		return;
	}
	strbuf_add(out, "2\0", 2);
	strbuf_add(out, call->exception, strlen(call->exception) + 1);
	strbuf_add(out, "", 1); /* no traceback: none of the client's business */
	/* A `%` would be taken for a place to fill in by the client. */
	for (const char *p = call->message; *p; p++)
		strbuf_add_str(out, *p == '%' ? "%%" : (char[]){*p, 0});
	strbuf_add(out, "", 1);
}

void call_finish(struct call *call)
{
	struct connection *c = call->connection;

	call->finished = true;
	if (call->dispatching)
		return;
	if (c) {
		add_answer(&c->out, call);
		c->pending = NULL;
		c->answered = true;
	}
	call_free(call);
	if (c)
		connection_flush(c);
}

/* name NUL value NUL ... after the frame's head. */
static void add_event(struct strbuf *out, const char *subject, const char *event, va_list args)
{
	const char *field;

	strbuf_add(out, "1\0", 2);
	strbuf_add(out, subject, strlen(subject) + 1);
	strbuf_add(out, event, strlen(event) + 1);
	while ((field = va_arg(args, const char *)))
		strbuf_add(out, field, strlen(field) + 1);
	strbuf_add(out, "", 1);
}

static void send_event(struct qubesd *d, const struct vm *vm, bool stats, const char *event,
		       va_list args)
{
	for (struct connection *c = d->connections, *next; c; c = next) {
		va_list again;

		next = c->next;
		if (!c->subscribed || c->stats != stats || (c->subject && c->subject != vm))
			continue;
		if (c->out.n > BACKLOG_MAX) {
			connection_close(c);
			continue;
		}
		va_copy(again, args);
		add_event(&c->out, vm ? vm->name : "", event, again);
		va_end(again);
		connection_flush(c);
	}
}

void event_send(struct qubesd *d, const struct vm *vm, const char *event, ...)
{
	va_list args;

	va_start(args, event);
	send_event(d, vm, false, event, args);
	va_end(args);
}

__attribute__((sentinel)) static void stats_send(struct qubesd *d, const struct vm *vm, ...)
{
	va_list args;

	va_start(args, vm);
	send_event(d, vm, true, "vm-stats", args);
	va_end(args);
}

bool server_has_stats(const struct qubesd *d)
{
	for (const struct connection *c = d->connections; c; c = c->next)
		if (c->subscribed && c->stats)
			return true;
	return false;
}

void server_send_stats(struct qubesd *d, const struct vm *vm, const char *memory_kb,
		       const char *cpu_time, const char *cpu_usage, const char *vcpus)
{
	stats_send(d, vm, "memory_kb", memory_kb, "cpu_time", cpu_time, "cpu_usage", cpu_usage,
		   "online_vcpus", vcpus, NULL);
}

void server_forget(struct qubesd *d, const struct vm *vm)
{
	for (struct connection *c = d->connections, *next; c; c = next) {
		next = c->next;
		if (c->subscribed && c->subject == vm)
			connection_close(c);
	}
}

static void subscribe(struct connection *c, struct vm *target, bool stats)
{
	c->subscribed = true;
	c->stats = stats;
	c->subject = target->class == CLASS_ADMIN ? NULL : target;
	strbuf_add(&c->out, "1\0", 3);
	strbuf_add(&c->out, established, sizeof(established));
	strbuf_add(&c->out, "", 1);
	connection_flush(c);
}

static void connection_request(struct connection *c)
{
	struct call *call = xcalloc(1, sizeof(*call));
	enum call_result r;

	c->limit = sd_event_source_disable_unref(c->limit);
	*call = (struct call){.d = c->d, .connection = c, .arena = arena_new()};
	call->dispatching = true;
	if (request_parse(strbuf_blob(&c->in), &call->request) < 0)
		r = CALL_ABORT;
	else
		r = call_dispatch(call);
	call->dispatching = false;
	if (r == CALL_LATER && call->finished)
		r = CALL_DONE;
	switch (r) {
	case CALL_DONE:
		call_finish(call);
		break;
	case CALL_LATER:
		c->pending = call;
		if (watch(c, 0) < 0)
			connection_close(c);
		break;
	case CALL_SUBSCRIBE:
	case CALL_STATS:
		if (r == CALL_STATS)
			stats_begin(c->d);
		subscribe(c, call->target, r == CALL_STATS);
		call_free(call);
		break;
	case CALL_ABORT:
		call_free(call);
		connection_close(c);
		break;
	}
}

/*
 * Who asks is said by qrexec or by a program of dom0, first of all. However many requests a qube begins and leaves
 * unfinished, others can still ask, and dom0 can end it. False: this one is too many.
 */
static bool admitted(struct connection *c)
{
	struct request r;
	size_t guests = 0, same = 0;

	if (c->source || !memchr(c->in.p, 0, c->in.n))
		return true;
	if (request_parse(strbuf_blob(&c->in), &r) < 0)
		return false;
	c->source = blob_dup(r.source);
	if (!strcmp(c->source, "dom0"))
		return true;
	for (const struct connection *o = c->d->connections; o; o = o->next) {
		guests += o->source && strcmp(o->source, "dom0") != 0;
		same += o->source && !strcmp(o->source, c->source);
	}
	return guests <= GUESTS_MAX && same <= SOURCE_MAX;
}

static int on_too_late(sd_event_source *s, uint64_t usec, void *user)
{
	(void)s;
	(void)usec;
	connection_close(user);
	return 0;
}

/* The rest of a request is waited for, but not for ever. */
static int await_rest(struct connection *c)
{
	int r = watch(c, EPOLLIN);

	if (r >= 0 && !c->limit)
		r = sd_event_add_time_relative(c->d->event, &c->limit, CLOCK_MONOTONIC,
					       REQUEST_TIMEOUT * UINT64_C(1000000), 0, on_too_late, c);
	return r;
}

/* Takes what is there; a request that is whole is answered. */
static void connection_read(struct connection *c)
{
	for (;;) {
		ssize_t n = recv(c->fd, strbuf_reserve(&c->in, 8192), 8192, MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && await_rest(c) >= 0)
			return;
		if (n < 0 || c->in.n + (size_t)n > REQUEST_MAX) {
			connection_close(c);
			return;
		}
		if (n == 0) {
			connection_request(c);
			return;
		}
		c->in.n += (size_t)n;
		if (!admitted(c)) {
			connection_close(c);
			return;
		}
	}
}

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *user)
{
	struct connection *c = user;

	(void)s;
	(void)fd;
	if (revents & EPOLLOUT)
		connection_flush(c);
	else if (!c->pending && !c->subscribed && !c->answered)
		connection_read(c);
	else if (revents & (EPOLLHUP | EPOLLERR))
		connection_close(c);
	return 0;
}

/* Kept for the moment when there is no other left: a client that is not taken off the queue would be announced without
 * end. */
static int spare = -1;

static void turn_away(int listener)
{
	close(spare);
	spare = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (spare >= 0)
		close(spare);
	spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int on_accept(sd_event_source *s, int fd, uint32_t revents, void *user)
{
	struct qubesd *d = user;
	struct connection *c;
	size_t count = 0;
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)s;
	(void)revents;
	if (client < 0) {
		if (spare >= 0 && (errno == EMFILE || errno == ENFILE))
			turn_away(fd);
		return 0;
	}
	for (c = d->connections; c; c = c->next)
		count++;
	c = xcalloc(1, sizeof(*c));
	*c = (struct connection){.d = d, .fd = client, .next = d->connections};
	if (c->next)
		c->next->prev = c;
	d->connections = c;
	if (count >= CONNECTIONS_MAX)
		connection_close(c);
	else
		connection_read(c);
	return 0;
}

int server_listen(struct qubesd *d, const char *path, struct error *err)
{
	_cleanup_close_ int other = socket_connect(path, 0), fd = -1;
	const struct group *qubes = getgrnam("qubes");
	int r;

	if (other >= 0)
		return error_set(err, -EADDRINUSE, path, NULL, "another qubesd answers there");
	fd = socket_listen(path, 0660, SOCK_NONBLOCK, 128);
	if (fd == -ENAMETOOLONG)
		return error_set(err, fd, path, NULL, "is too long for a socket");
	if (fd < 0)
		return error_errno(err, fd, path, "cannot listen");
	if (qubes && geteuid() == 0 && chown(path, 0, qubes->gr_gid) < 0)
		return error_errno(err, -errno, path, "cannot give to group qubes");
	r = sd_event_add_io(d->event, NULL, fd, EPOLLIN, on_accept, d);
	if (r < 0)
		return error_errno(err, r, path, "cannot watch");
	take_fd(&fd);
	spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return 0;
}
