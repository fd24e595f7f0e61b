/*
 * What the QubesDB daemon does with messages, without any transport: bytes of a peer go in by
 * qdb_engine_feed(), answers and watch events wait in the peers' output queues. The daemon moves
 * both, the tests and the fuzz target call it directly.
 *
 * Peers are local clients and at most one link, the daemon at the other end of the vchan. A peer
 * may send anything: it can lose its own connection by that, and nothing else.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/strbuf.h"
#include "common/base/strv.h"
#include "runtime/qubesdb/protocol.h"
#include "runtime/qubesdb/store.h"

enum qdb_peer_kind {
	QDB_PEER_CLIENT,
	QDB_PEER_CLIENT_RO,    /* may not change anything */
	QDB_PEER_LINK_TO_QUBE, /* we are dom0: the other end asks once for everything, then both
				  send changes */
	QDB_PEER_LINK_TO_DOM0, /* we are the qube: we ask */
};

enum {
	/* More waiting output than the whole store can make: such a peer does not read and is given
	   up. */
	QDB_QUEUE_MAX = 16 << 20,
	QDB_WATCHES_MAX = 1024,
};

struct qdb_peer {
	enum qdb_peer_kind kind;
	struct qdb_peer *next;
	struct strbuf in;
	uint32_t skip;	   /* bytes of a refused message still to be thrown away */
	struct strbuf out; /* bytes to be sent, from `sent` on */
	size_t sent;
	struct strv watches;
	bool synced;	 /* link: the other end has asked for (or has sent us) everything */
	bool broken;	 /* to be closed by the daemon */
	const char *why; /* ... for this reason */
	void *owner;	 /* the daemon's */
};

struct qdb_engine {
	struct qdb_store store;
	struct qdb_peer *peers;
};

struct qdb_peer *qdb_engine_add(struct qdb_engine *engine, enum qdb_peer_kind kind);
void qdb_engine_remove(struct qdb_engine *engine, struct qdb_peer *peer);
void qdb_engine_free(struct qdb_engine *engine);

/* Handles what the peer sent, message by message. Sets peer->broken when it has to go. */
void qdb_engine_feed(struct qdb_engine *engine, struct qdb_peer *peer, const void *data, size_t n);

static inline struct blob qdb_peer_pending(const struct qdb_peer *peer)
{
	return (struct blob){peer->out.n ? peer->out.p + peer->sent : "", peer->out.n - peer->sent};
}

/* `n` bytes of what was pending have been sent. */
void qdb_peer_sent(struct qdb_peer *peer, size_t n);
