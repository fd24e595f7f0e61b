#include "runtime/qrexec/policy/exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/strbuf.h"

struct exchange {
	sd_event_source *source;
	int fd;
	struct strbuf out, in;
	size_t sent, max;
	exchange_done done;
	void *arg;
};

void exchange_cancel(struct exchange *x)
{
	if (!x)
		return;
	sd_event_source_disable_unref(x->source);
	close(x->fd);
	strbuf_free(&x->out);
	strbuf_free(&x->in);
	free(x);
}

static void finish(struct exchange *x, int r)
{
	x->done(r, strbuf_blob(&x->in), x->arg);
	exchange_cancel(x);
}

/* 0, or < 0: over. */
static int push(struct exchange *x)
{
	while (x->sent < x->out.n) {
		ssize_t n = send(x->fd, x->out.p + x->sent, x->out.n - x->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		x->sent += (size_t)n;
	}
	shutdown(x->fd, SHUT_WR);
	sd_event_source_set_io_events(x->source, EPOLLIN);
	return 0;
}

/* 1: the end of the answer. */
static int pull(struct exchange *x)
{
	for (;;) {
		ssize_t n = recv(x->fd, strbuf_reserve(&x->in, 4096), 4096, MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		if (n == 0)
			return 1;
		x->in.n += (size_t)n;
		if (x->in.n > x->max)
			return -EFBIG;
	}
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct exchange *x = arg;
	int r = 0;

	(void)source;
	(void)fd;
	if (x->sent < x->out.n)
		r = push(x);
	if (r == 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		r = pull(x);
	if (r)
		finish(x, r < 0 ? r : 0);
	return 0;
}

int exchange_start(struct exchange **x, sd_event *event, int fd, struct blob request, size_t max, exchange_done done, void *arg)
{
	struct exchange *n = xcalloc(1, sizeof(*n));
	int r;

	*n = (struct exchange){.fd = fd, .max = max, .done = done, .arg = arg};
	strbuf_add(&n->out, request.p, request.n);
	r = sd_event_add_io(event, &n->source, fd, EPOLLIN | EPOLLOUT, on_io, n);
	if (r < 0) {
		exchange_cancel(n);
		return r;
	}
	*x = n;
	/* Usually all fits at once, which saves a turn of the loop. */
	push(n);
	return 0;
}
