#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "runtime/qrexec/channel.h"

#define READ_SIZE 4096
#define OUT_MAX (4 << 20)
/* So much that has gone is kept in front of what has not, at most: a peer that never reads all must not make it grow. */
#define OUT_SENT_MAX (64 << 10)

void channel_init_vchan(struct channel *c, libvchan_t *vchan)
{
	*c = (struct channel){.vchan = vchan, .fd = -1};
	libvchan_set_blocking(vchan, 0);
}

void channel_init_fd(struct channel *c, int fd)
{
	*c = (struct channel){.fd = fd};
}

void channel_free(struct channel *c)
{
	strbuf_free(&c->in);
	strbuf_free(&c->out);
	*c = (struct channel){.fd = -1};
}

/* Bytes moved, 0 for none now, -EPIPE. */
static ssize_t pull(struct channel *c, char *p, size_t n)
{
	ssize_t r;

	if (c->vchan) {
		r = libvchan_read(c->vchan, p, n);
		return r < 0 ? -EPIPE : r;
	}
	r = recv(c->fd, p, n, MSG_DONTWAIT);
	if (r < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -EPIPE;
	return r ? r : -EPIPE;
}

static ssize_t push(struct channel *c, const char *p, size_t n)
{
	ssize_t r;

	if (c->vchan) {
		r = libvchan_write(c->vchan, p, n);
		return r < 0 ? -EPIPE : r;
	}
	r = send(c->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (r < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -EPIPE;
	return r;
}

/* 1 when the buffer holds a whole message. */
static int take_message(struct channel *c, struct message *m)
{
	size_t have = c->in.n - c->in_used;
	struct msg_header h;

	if (have < sizeof(h))
		return 0;
	memcpy(&h, c->in.p + c->in_used, sizeof(h));
	if (!control_length_ok(h.type, h.len))
		return -EPROTO;
	if (have < sizeof(h) + h.len)
		return 0;
	m->type = h.type;
	m->n = h.len;
	m->p = c->in.p + c->in_used + sizeof(h);
	c->in_used += sizeof(h) + h.len;
	return 1;
}

int channel_read(struct channel *c, struct message *m)
{
	for (;;) {
		int r = take_message(c, m);
		size_t left = c->in.n - c->in_used;
		ssize_t n;

		if (r)
			return r;
		if (c->in_used && left)
			memmove(c->in.p, c->in.p + c->in_used, left);
		c->in.n = left;
		c->in_used = 0;
		n = pull(c, strbuf_reserve(&c->in, READ_SIZE), READ_SIZE);
		if (n <= 0)
			return (int)n;
		c->in.n += (size_t)n;
	}
}

int channel_flush(struct channel *c)
{
	while (channel_pending(c)) {
		ssize_t n = push(c, c->out.p + c->out_sent, c->out.n - c->out_sent);

		if (n <= 0)
			return (int)n;
		c->out_sent += (size_t)n;
	}
	strbuf_reset(&c->out);
	c->out_sent = 0;
	return 0;
}

int channel_send(struct channel *c, uint32_t type, const void *a, size_t a_n, const void *b, size_t b_n)
{
	struct msg_header h = {type, (uint32_t)(a_n + b_n)};

	if (c->out.n - c->out_sent > OUT_MAX)
		return -ENOBUFS;
	if (c->out_sent > OUT_SENT_MAX) {
		memmove(c->out.p, c->out.p + c->out_sent, c->out.n - c->out_sent);
		c->out.n -= c->out_sent;
		c->out_sent = 0;
	}
	strbuf_add(&c->out, &h, sizeof(h));
	strbuf_add(&c->out, a, a_n);
	if (b_n)
		strbuf_add(&c->out, b, b_n);
	return channel_flush(c);
}

bool channel_pending(const struct channel *c)
{
	return c->out_sent < c->out.n;
}
