#include "runtime/qubesdb/daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "runtime/vchan/libvchan.h"

#define SECOND ((uint64_t)1000000)

enum {
	/* Reads in one go before local clients get their turn: the other end must not be able to
	   starve them. */
	READS_MAX = 64,
};

struct link {
	struct daemon *daemon;
	bool to_qube;
	libvchan_t *vchan;
	struct qdb_peer *peer; /* NULL until connected; a server has one at once */
	sd_event_source *io;   /* events of the vchan, or of its being connected */
	sd_event_source *more; /* goes on reading */
	sd_event_source *timer;
	uint64_t opened;
};

static int start(struct link *link);

static uint64_t now(struct link *link)
{
	uint64_t usec = 0;

	sd_event_now(link->daemon->event, CLOCK_MONOTONIC, &usec);
	return usec;
}

static void drop(struct link *link)
{
	link->io = sd_event_source_disable_unref(link->io);
	if (link->peer)
		qdb_engine_remove(&link->daemon->engine, take_ptr(link->peer));
	libvchan_close(take_ptr(link->vchan));
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata);

static void set_timer(struct link *link, uint64_t after)
{
	sd_event_source_set_time(link->timer, now(link) + after);
	sd_event_source_set_enabled(link->timer, SD_EVENT_ONESHOT);
}

/* Closes and opens anew; at once, but not in a tight loop with an end that misbehaves at once. */
static void lost(struct link *link, const char *why)
{
	daemon_log(link->daemon, "the connection to the other end was closed: %s", why);
	drop(link);
	set_timer(link, now(link) - link->opened < 5 * SECOND ? SECOND : 0);
}

/* Moves bytes both ways until nothing moves; only then does the vchan promise an event. */
static void pump(struct link *link)
{
	struct qdb_engine *engine = &link->daemon->engine;
	char buf[4096];
	int reads = 0;

	while (link->peer && libvchan_is_open(link->vchan) != VCHAN_WAITING) {
		int n = libvchan_read(link->vchan, buf, sizeof(buf)), sent = 0;
		struct blob pending;

		if (n > 0)
			qdb_engine_feed(engine, link->peer, buf, (size_t)n);
		pending = qdb_peer_pending(link->peer);
		if (n >= 0 && pending.n) {
			sent = libvchan_write(link->vchan, pending.p, pending.n);
			if (sent > 0)
				qdb_peer_sent(link->peer, (size_t)sent);
		}
		if (link->peer->broken) {
			lost(link, link->peer->why);
		} else if (n < 0 || sent < 0) {
			lost(link, "it has gone");
		} else if (!n && !sent) {
			break;
		} else if (++reads == READS_MAX) {
			sd_event_source_set_enabled(link->more, SD_EVENT_ONESHOT);
			break;
		}
	}
	if (link->peer && link->peer->synced && !link->to_qube)
		daemon_ready(link->daemon);
}

void link_flush(struct daemon *d)
{
	if (d->link && d->link->peer &&
	    (qdb_peer_pending(d->link->peer).n || d->link->peer->broken))
		pump(d->link);
}

static int on_more(sd_event_source *source, void *userdata)
{
	struct link *link = userdata;

	(void)source;
	pump(link);
	daemon_flush(link->daemon);
	return 0;
}

static int on_vchan(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct link *link = userdata;

	(void)source;
	(void)fd;
	(void)events;
	if (libvchan_wait(link->vchan) < 0 && libvchan_is_open(link->vchan) == VCHAN_DISCONNECTED &&
	    !libvchan_data_ready(link->vchan))
		lost(link, "it has gone");
	pump(link);
	daemon_flush(link->daemon);
	return 0;
}

/* The vchan stands, or waits for its client. */
static int attach(struct link *link)
{
	struct daemon *d = link->daemon;

	libvchan_set_blocking(link->vchan, 0);
	link->peer = qdb_engine_add(&d->engine,
				    link->to_qube ? QDB_PEER_LINK_TO_QUBE : QDB_PEER_LINK_TO_DOM0);
	link->io = sd_event_source_disable_unref(link->io);
	int r = sd_event_add_io(d->event, &link->io, libvchan_fd_for_select(link->vchan), EPOLLIN,
				on_vchan, link);
	if (r < 0)
		return r;
	pump(link);
	return 0;
}

static int on_connecting(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct link *link = userdata;
	int r = libvchan_client_init_async_finish(link->vchan, false);

	(void)source;
	(void)fd;
	(void)events;
	if (r < 0 || (r == 0 && attach(link) < 0))
		lost(link, "cannot connect to dom0");
	/* Dom0's answer may be here already, and clients watch for it. */
	daemon_flush(link->daemon);
	return 0;
}

static int start(struct link *link)
{
	struct daemon *d = link->daemon;
	int fd;

	link->opened = now(link);
	if (link->to_qube) {
		link->vchan = libvchan_server_init(d->remote, QDB_VCHAN_PORT, QDB_VCHAN_RING,
						   QDB_VCHAN_RING);
		if (!link->vchan)
			return errno ? -errno : -EIO;
		return attach(link);
	}
	link->vchan = libvchan_client_init_async(d->remote, QDB_VCHAN_PORT, &fd);
	if (!link->vchan)
		return errno ? -errno : -EIO;
	return sd_event_add_io(d->event, &link->io, fd, EPOLLIN, on_connecting, link);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct link *link = userdata;
	int r = 0;

	(void)source;
	(void)usec;
	if (!link->vchan)
		r = start(link);
	if (r < 0 && link->to_qube) {
		daemon_log(link->daemon, "the qube has gone: this daemon ends");
		return sd_event_exit(link->daemon->event, 0);
	}
	if (r < 0) {
		drop(link);
		set_timer(link, SECOND);
	}
	daemon_flush(link->daemon);
	return 0;
}

int link_open(struct daemon *d, bool to_qube)
{
	struct link *link = d->link = xcalloc(1, sizeof(*link));
	int r;

	*link = (struct link){.daemon = d, .to_qube = to_qube};
	r = sd_event_add_time(d->event, &link->timer, CLOCK_MONOTONIC, UINT64_MAX, 0, on_timer,
			      link);
	if (r >= 0)
		r = sd_event_add_defer(d->event, &link->more, on_more, link);
	if (r >= 0)
		r = sd_event_source_set_enabled(link->timer, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_source_set_enabled(link->more, SD_EVENT_OFF);
	/* After whatever else is ready: see READS_MAX. */
	if (r >= 0)
		r = sd_event_source_set_priority(link->more, SD_EVENT_PRIORITY_NORMAL + 1);
	return r < 0 ? r : start(link);
}

void link_close(struct daemon *d)
{
	if (!d->link)
		return;
	drop(d->link);
	sd_event_source_unref(d->link->timer);
	sd_event_source_unref(d->link->more);
	free(take_ptr(d->link));
}
