#include "runtime/qubesdb/engine.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"

static bool is_link(const struct qdb_peer *peer)
{
	return peer->kind == QDB_PEER_LINK_TO_QUBE || peer->kind == QDB_PEER_LINK_TO_DOM0;
}

static void give_up(struct qdb_peer *peer, const char *why)
{
	if (!peer->broken)
		peer->why = why;
	peer->broken = true;
}

static void send_message(struct qdb_peer *peer, enum qdb_type type, const char *path,
			 struct blob data)
{
	struct qdb_header header = qdb_header_make(type, path, data.n);

	if (peer->broken)
		return;
	if (peer->out.n - peer->sent > QDB_QUEUE_MAX) {
		give_up(peer, "it does not read what is sent to it");
		return;
	}
	strbuf_add(&peer->out, &header, sizeof(header));
	strbuf_add(&peer->out, data.p, data.n);
}

static void send_plain(struct qdb_peer *peer, enum qdb_type type, const char *path)
{
	send_message(peer, type, path, BLOB(""));
}

void qdb_peer_sent(struct qdb_peer *peer, size_t n)
{
	peer->sent += n;
	if (peer->sent == peer->out.n) {
		/* A large answer's memory goes back; small buffers are kept. */
		if (peer->out.cap > 65536)
			strbuf_free(&peer->out);
		else
			strbuf_reset(&peer->out);
		peer->sent = 0;
	} else if (peer->sent > 65536) {
		memmove(peer->out.p, peer->out.p + peer->sent, peer->out.n - peer->sent);
		peer->out.n -= peer->sent;
		peer->sent = 0;
	}
}

struct qdb_peer *qdb_engine_add(struct qdb_engine *engine, enum qdb_peer_kind kind)
{
	struct qdb_peer *peer = xcalloc(1, sizeof(*peer));

	peer->kind = kind;
	peer->next = engine->peers;
	engine->peers = peer;
	if (kind == QDB_PEER_LINK_TO_DOM0)
		send_plain(peer, QDB_MULTIREAD, "");
	return peer;
}

void qdb_engine_remove(struct qdb_engine *engine, struct qdb_peer *peer)
{
	struct qdb_peer **at = &engine->peers;

	while (*at && *at != peer)
		at = &(*at)->next;
	if (*at)
		*at = peer->next;
	strbuf_free(&peer->in);
	strbuf_free(&peer->out);
	strv_free(&peer->watches);
	free(peer);
}

void qdb_engine_free(struct qdb_engine *engine)
{
	while (engine->peers)
		qdb_engine_remove(engine, engine->peers);
	qdb_store_free(&engine->store);
}

/* A watch on "P/" fires for all below, one on "P" for P; also for the client that made the change.
 */
static void fire_watches(struct qdb_engine *engine, const char *path)
{
	for (struct qdb_peer *peer = engine->peers; peer; peer = peer->next) {
		for (size_t i = 0; i < peer->watches.n; i++) {
			const char *watch = peer->watches.v[i];
			size_t n = strlen(watch);

			if (n && watch[n - 1] == '/' ? !strncmp(path, watch, n)
						     : !strcmp(path, watch))
				send_plain(peer, QDB_RESP_WATCH, path);
		}
	}
}

/* A change made by a local client goes to the other end as well, once that has the state it applies
 * to. */
static void forward(struct qdb_engine *engine, const struct qdb_peer *from, enum qdb_type type,
		    const char *path, struct blob data)
{
	if (is_link(from))
		return;
	for (struct qdb_peer *peer = engine->peers; peer; peer = peer->next)
		if (peer->kind == QDB_PEER_LINK_TO_DOM0 || (is_link(peer) && peer->synced))
			send_message(peer, type, path, data);
}

static void refuse(struct qdb_peer *peer, const char *path)
{
	send_plain(peer, QDB_RESP_ERROR, path);
}

static void do_write(struct qdb_engine *engine, struct qdb_peer *peer, const char *path,
		     struct blob data)
{
	if (peer->kind == QDB_PEER_CLIENT_RO || qdb_store_put(&engine->store, path, data) < 0) {
		refuse(peer, path);
		/* A bad value is only refused; a path that cannot be stored means that the two ends
		 * differ. */
		if (is_link(peer) && qdb_data_valid(data))
			give_up(peer, "it wrote a path that cannot be stored");
		return;
	}
	forward(engine, peer, QDB_WRITE, path, data);
	send_plain(peer, QDB_RESP_OK, path);
	fire_watches(engine, path);
}

static void do_rm(struct qdb_engine *engine, struct qdb_peer *peer, const char *path)
{
	if (peer->kind == QDB_PEER_CLIENT_RO) {
		refuse(peer, path);
	} else if (!qdb_store_remove(&engine->store, path)) {
		send_plain(peer, QDB_RESP_ERROR_NOENT, path);
		if (is_link(peer))
			give_up(peer, "it removed a path that is not here");
	} else {
		forward(engine, peer, QDB_RM, path, BLOB(""));
		send_plain(peer, QDB_RESP_OK, path);
		fire_watches(engine, path);
	}
}

static void do_read(struct qdb_engine *engine, struct qdb_peer *peer, const char *path)
{
	const struct qdb_entry *entry = qdb_store_get(&engine->store, path);

	if (entry)
		send_message(peer, QDB_RESP_READ, path, (struct blob){entry->value, entry->n});
	else
		send_plain(peer, QDB_RESP_ERROR_NOENT, path);
}

/* Prefixes are of text, not of path components. All of it goes out last entry first, as peers of
 * old expect. */
static void do_enumerate(struct qdb_engine *engine, struct qdb_peer *peer, const char *prefix,
			 enum qdb_type type)
{
	const struct qdb_store *store = &engine->store;
	size_t first = qdb_store_position(store, prefix), end = first, n = strlen(prefix);

	while (end < store->n && !strncmp(store->entries[end]->path, prefix, n))
		end++;
	for (size_t i = first; i < end; i++) {
		size_t at = !n && type == QDB_RESP_MULTIREAD ? end - 1 - i : i;
		const struct qdb_entry *entry = store->entries[at];

		send_message(peer, type, entry->path,
			     type == QDB_RESP_LIST ? BLOB("")
						   : (struct blob){entry->value, entry->n});
	}
	send_plain(peer, type, "");
}

static void do_watch(struct qdb_peer *peer, const char *path)
{
	if (peer->watches.n >= QDB_WATCHES_MAX) {
		refuse(peer, path);
		return;
	}
	strv_push(&peer->watches, path);
	send_plain(peer, QDB_RESP_OK, path);
}

static void do_unwatch(struct qdb_peer *peer, const char *path)
{
	struct strv *w = &peer->watches;

	for (size_t i = 0; i < w->n; i++) {
		if (strcmp(w->v[i], path))
			continue;
		free(w->v[i]);
		memmove(w->v + i, w->v + i + 1,
			(w->n - i) * sizeof(*w->v)); /* with the final NULL */
		w->n--;
		send_plain(peer, QDB_RESP_OK, path);
		return;
	}
	send_plain(peer, QDB_RESP_ERROR_NOENT, path);
}

static void handle_client(struct qdb_engine *engine, struct qdb_peer *peer,
			  const struct qdb_header *header, struct blob data)
{
	switch (header->type) {
	case QDB_READ:
		do_read(engine, peer, header->path);
		break;
	case QDB_WRITE:
		do_write(engine, peer, header->path, data);
		break;
	case QDB_MULTIREAD:
		do_enumerate(engine, peer, header->path, QDB_RESP_MULTIREAD);
		break;
	case QDB_LIST:
		do_enumerate(engine, peer, header->path, QDB_RESP_LIST);
		break;
	case QDB_RM:
		do_rm(engine, peer, header->path);
		break;
	case QDB_WATCH:
		do_watch(peer, header->path);
		break;
	case QDB_UNWATCH:
		do_unwatch(peer, header->path);
		break;
	default:
		refuse(peer, header->path);
	}
}

/* One entry of what dom0 has. Watches fire: after a reconnection it may be news. */
static void take_entry(struct qdb_engine *engine, struct qdb_peer *peer, const char *path,
		       struct blob data)
{
	if (peer->kind != QDB_PEER_LINK_TO_DOM0 || peer->synced) {
		give_up(peer, "it answered what was not asked");
	} else if (!path[0]) {
		peer->synced = true;
	} else if (qdb_store_put(&engine->store, path, data) < 0) {
		give_up(peer, "it sent an entry that cannot be stored");
	} else {
		fire_watches(engine, path);
	}
}

static void handle_link(struct qdb_engine *engine, struct qdb_peer *peer,
			const struct qdb_header *header, struct blob data)
{
	switch (header->type) {
	case QDB_WRITE:
		do_write(engine, peer, header->path, data);
		break;
	case QDB_RM:
		do_rm(engine, peer, header->path);
		break;
	case QDB_MULTIREAD:
		if (peer->kind != QDB_PEER_LINK_TO_QUBE || peer->synced) {
			give_up(peer, "it asked for everything more than once");
			break;
		}
		do_enumerate(engine, peer, header->path, QDB_RESP_MULTIREAD);
		peer->synced = true;
		break;
	case QDB_RESP_MULTIREAD:
		take_entry(engine, peer, header->path, data);
		break;
	case QDB_RESP_OK:
	case QDB_RESP_ERROR:
		break;
	default:
		give_up(peer, "it sent a message that is not allowed here");
	}
}

/* May a message of this type carry data? */
static bool may_have_data(const struct qdb_peer *peer, uint8_t type)
{
	return type == QDB_WRITE || (type == QDB_RESP_MULTIREAD && is_link(peer));
}

/* Handles the first message in `in`. Returns the bytes it took, 0 when more are needed. */
static size_t handle_one(struct qdb_engine *engine, struct qdb_peer *peer, struct blob in)
{
	struct qdb_header header;

	if (in.n < sizeof(header))
		return 0;
	memcpy(&header, in.p, sizeof(header));
	if (!qdb_path_valid(header.path) || header.data_len > QDB_DATA_MAX ||
	    (header.data_len && !may_have_data(peer, header.type))) {
		if (is_link(peer)) {
			give_up(peer, "it sent a malformed message");
		} else {
			header.path[QDB_PATH_MAX - 1] = '\0';
			peer->skip = header.data_len;
			refuse(peer, header.path);
		}
		return sizeof(header);
	}
	if (in.n - sizeof(header) < header.data_len)
		return 0;

	struct blob data = {in.p + sizeof(header), header.data_len};

	if (is_link(peer))
		handle_link(engine, peer, &header, data);
	else
		handle_client(engine, peer, &header, data);
	return sizeof(header) + header.data_len;
}

void qdb_engine_feed(struct qdb_engine *engine, struct qdb_peer *peer, const void *data, size_t n)
{
	struct blob rest;

	strbuf_add(&peer->in, data, n);
	rest = strbuf_blob(&peer->in);
	while (rest.n && !peer->broken) {
		size_t took = peer->skip < rest.n ? peer->skip : rest.n;

		if (took)
			peer->skip -= (uint32_t)took;
		else
			took = handle_one(engine, peer, rest);
		if (!took)
			break;
		rest.p += took;
		rest.n -= took;
	}
	if (rest.n)
		memmove(peer->in.p, rest.p, rest.n);
	peer->in.n = rest.n;
}
