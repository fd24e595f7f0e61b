#pragma once
/*
 * Framed messages over a control vchan or a UNIX socket, without ever blocking: incoming bytes collect until a message is
 * whole, outgoing ones wait until there is room.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/base/strbuf.h"
#include "runtime/qrexec/protocol.h"
#include "runtime/vchan/libvchan.h"

struct channel {
	libvchan_t *vchan; /* one of the two */
	int fd;
	struct strbuf in;
	size_t in_used; /* bytes of `in` that were handed out */
	struct strbuf out;
	size_t out_sent;
};

struct message {
	uint32_t type;
	size_t n;
	const char *p; /* valid until the next call on the channel */
};

/* The vchan or the descriptor stays the caller's; both are only ever used without blocking. */
void channel_init_vchan(struct channel *c, libvchan_t *vchan);
void channel_init_fd(struct channel *c, int fd);
void channel_free(struct channel *c);

/*
 * Takes the next message. 1: there is one; 0: not now; -EPIPE: the peer is gone; -EPROTO: a type or length that no message
 * has, after which the channel is useless.
 */
int channel_read(struct channel *c, struct message *m);

/* Queues and sends what is possible now. 0 or -EPIPE; -ENOBUFS when the peer has not read for 4 MiB. */
int channel_send(struct channel *c, uint32_t type, const void *a, size_t a_n, const void *b, size_t b_n);

/* Sends more of what is queued. 0 or -EPIPE. */
int channel_flush(struct channel *c);
bool channel_pending(const struct channel *c);
