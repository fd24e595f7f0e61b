/*
 * The libvchan API on libxenvchan. Node names and their life are those of Qubes OS (ref: runtime.md 2.2): the server writes
 * data/vchan/<peer>/<port> below its own domain and takes it away when its client has come.
 *
 * libxenctrl is never used: guests may be denied its hypercalls (XSA-482).
 *
 * What polls is one epoll descriptor over
 *  - the event channel;
 *  - where the death of a peer without a goodbye raises no event channel: in dom0 xenstore's @releaseDomain, in a qube
 *    whose peer is another qube (which is not told of deaths since XSA-115) a timer. The server of a data channel in dom0
 *    needs neither: the qrexec-daemon of the qube watches, and tells by closing its connection.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <libxenvchan.h>
#include <xenevtchn.h>
#include <xenstore.h>

#include "runtime/vchan/libvchan.h"

#define DEATH_CHECK_SECONDS 10
/* What is short (granted pages, a qube's 10 transactions in xenstore) is given back as others connect or end. */
#define SERVER_TRIES 1200
#define SERVER_RETRY_MS 50
/* qrexec data channels (ref: runtime.md 2.4) */
#define DATA_PORT_FIRST 513
#define DATA_PORT_LAST 768

struct libvchan {
	struct libxenvchan *xen;
	int own;
	int peer;
	int port;
	bool server;
	bool published; /* our node is in xenstore */
	bool was_connected;
	bool dead;
	int epoll_fd;
	int timer_fd;
	bool watching; /* xenstore, for the server's node */
	struct xs_handle *xs;
};

static int watch(libvchan_t *v, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(v->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

static int own_domain(struct xs_handle *xs)
{
	unsigned n;
	char *s = xs_read(xs, XBT_NULL, "domid", &n);
	int domid = s ? atoi(s) : -1;

	free(s);
	return domid;
}

static libvchan_t *vchan_new(int peer, int port, bool server)
{
	libvchan_t *v = calloc(1, sizeof(*v));
	int e;

	if (!v)
		return NULL;
	v->peer = peer;
	v->port = port;
	v->server = server;
	v->timer_fd = -1;
	v->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	v->xs = xs_open(0);
	if (v->epoll_fd >= 0 && v->xs) {
		v->own = own_domain(v->xs);
		if (v->own >= 0 && v->own != peer)
			return v;
		/* A domain that talked to itself would share a ring with itself: refused, as upstream does. */
		errno = v->own < 0 ? EIO : EINVAL;
	}
	e = errno;
	libvchan_close(v);
	errno = e;
	return NULL;
}

/*
 * Only dom0 may ask xenstore whether a domain is there. A qube offers to bind the reserved event channel 0 of the other:
 * the answer is EINVAL while that exists, and ESRCH when it does not. One that has died stays as long as somebody maps
 * its pages.
 */
static bool domain_exists(int domain)
{
	xenevtchn_handle *event = xenevtchn_open(NULL, 0);
	bool exists = !event || xenevtchn_bind_interdomain(event, (uint32_t)domain, 0) >= 0 || errno != ESRCH;

	if (event)
		xenevtchn_close(event);
	return exists;
}

bool libvchan_peer_alive(libvchan_t *v)
{
	struct xs_handle *xs;
	bool alive;

	/* Without dom0 there is nobody to ask, nor anything else. */
	if (v->peer == 0)
		return true;
	if (v->own != 0)
		return domain_exists(v->peer);
	xs = v->xs ? v->xs : xs_open(0);
	alive = !xs || xs_is_domain_introduced(xs, (unsigned)v->peer);
	if (xs && xs != v->xs)
		xs_close(xs);
	return alive;
}

static void drop_xenstore(libvchan_t *v)
{
	if (v->xs)
		xs_close(v->xs);
	v->xs = NULL;
}

static void set_timer(libvchan_t *v, int seconds)
{
	struct itimerspec t = {.it_interval.tv_sec = seconds, .it_value.tv_sec = seconds};

	if (v->timer_fd < 0 && seconds) {
		v->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
		if (v->timer_fd < 0 || watch(v, v->timer_fd) < 0)
			return;
	}
	if (v->timer_fd >= 0)
		timerfd_settime(v->timer_fd, 0, &t, NULL);
}

/* Once connected: what will tell that the peer's domain is gone. */
static void arm_death_watch(libvchan_t *v)
{
	bool data_server = v->server && v->port >= DATA_PORT_FIRST && v->port <= DATA_PORT_LAST;

	set_timer(v, v->own != 0 && v->peer != 0 ? DEATH_CHECK_SECONDS : 0);
	if (v->own != 0 || data_server) {
		drop_xenstore(v);
		return;
	}
	if (v->server && v->xs && xs_watch(v->xs, "@releaseDomain", "d"))
		watch(v, xs_fileno(v->xs));
}

static bool is_empty(struct xs_handle *xs, xs_transaction_t t, const char *path)
{
	unsigned n;
	char **names = xs_directory(xs, t, path, &n);

	free(names);
	return names && n == 0;
}

/* Nobody may put a node into it between the look and the removal; who cannot have a transaction leaves it to the next one. */
static void remove_empty(struct xs_handle *xs, const char *path)
{
	xs_transaction_t t;

	do {
		t = xs_transaction_start(xs);
		if (t == XBT_NULL)
			return;
		if (is_empty(xs, t, path))
			xs_rm(xs, t, path);
	} while (!xs_transaction_end(xs, t, false) && errno == EAGAIN);
}

/* Takes our node away, and its parent when that was the last one. */
static void unpublish(libvchan_t *v)
{
	struct xs_handle *xs = v->xs ? v->xs : xs_open(0);
	char path[64];

	v->published = false;
	/* libxenvchan would remove the node once more when closing: perhaps that of our successor on this port. */
	free(v->xen->xs_path);
	v->xen->xs_path = NULL;
	if (!xs)
		return;
	/* Without a transaction: a qube may have ten at a time, and more calls than that. */
	snprintf(path, sizeof(path), "data/vchan/%d/%d", v->peer, v->port);
	xs_rm(xs, XBT_NULL, path);
	snprintf(path, sizeof(path), "data/vchan/%d", v->peer);
	if (is_empty(xs, XBT_NULL, path))
		remove_empty(xs, path);
	if (xs != v->xs)
		xs_close(xs);
}

/* libxenvchan loses errno on its way out; these say that trying again is of no use. */
static bool is_final(int e)
{
	return e == ENOENT || e == EACCES || e == EPERM || e == ENODEV || e == ESRCH;
}

/* Waits its turn while other channels have all there is. */
static struct libxenvchan *offer(libvchan_t *v, const char *path, size_t read_min, size_t write_min)
{
	const struct timespec pause = {.tv_nsec = SERVER_RETRY_MS * 1000000L};

	for (int i = 0;; i++) {
		struct libxenvchan *xen = libxenvchan_server_init(NULL, v->peer, path, read_min, write_min);

		if (xen || is_final(errno) || i == SERVER_TRIES)
			return xen;
		nanosleep(&pause, NULL);
		if (!libvchan_peer_alive(v)) {
			errno = ESRCH;
			return NULL;
		}
	}
}

libvchan_t *libvchan_server_init(int domain, int port, size_t read_min, size_t write_min)
{
	libvchan_t *v = vchan_new(domain, port, true);
	char path[64];

	if (!v)
		return NULL;
	snprintf(path, sizeof(path), "data/vchan/%d/%d", domain, port);
	v->xen = offer(v, path, read_min, write_min);
	if (!v->xen || watch(v, libxenvchan_fd_for_select(v->xen)) < 0) {
		int e = errno ? errno : EIO;

		libvchan_close(v);
		errno = e;
		return NULL;
	}
	v->xen->blocking = 1;
	v->published = true;
	/* No event tells that a domain died before it connected. */
	if (domain != 0)
		set_timer(v, DEATH_CHECK_SECONDS);
	return v;
}

/* 0 connected, 1 the server is not there yet, < 0 never. */
static int try_connect(libvchan_t *v)
{
	char path[96];
	char *value;
	unsigned n;

	snprintf(path, sizeof(path), "/local/domain/%d/data/vchan/%d/%d/event-channel", v->peer, v->own, v->port);
	value = xs_read(v->xs, XBT_NULL, path, &n);
	if (!value)
		return libvchan_peer_alive(v) ? 1 : -ESRCH;
	free(value);
	*strrchr(path, '/') = '\0';
	v->xen = libxenvchan_client_init(NULL, v->peer, path);
	/* The node may be that of a server which has just gone. */
	if (!v->xen)
		return libvchan_peer_alive(v) ? 1 : -ESRCH;
	v->xen->blocking = 1;
	/* The server has no other way to learn that its client is there. */
	xenevtchn_notify(v->xen->event, v->xen->event_port);
	if (watch(v, libxenvchan_fd_for_select(v->xen)) < 0)
		return -errno;
	snprintf(path, sizeof(path), "/local/domain/%d/data/vchan/%d/%d/event-channel", v->peer, v->own, v->port);
	if (v->watching) {
		xs_unwatch(v->xs, path, "n");
		xs_unwatch(v->xs, "domid", "i");
	}
	arm_death_watch(v);
	return 0;
}

/*
 * In a qube, whose watches are counted and cost a thread each: when the server is there already none is needed. Whoever waits
 * for the descriptor is woken by the timer.
 */
static int connect_at_once(libvchan_t *v)
{
	const struct itimerspec now = {.it_interval.tv_sec = v->peer ? DEATH_CHECK_SECONDS : 0, .it_value.tv_nsec = 1};
	int r = try_connect(v);

	if (r != 0)
		return r;
	if (v->timer_fd < 0)
		set_timer(v, DEATH_CHECK_SECONDS);
	return v->timer_fd >= 0 && timerfd_settime(v->timer_fd, 0, &now, NULL) == 0 ? 0 : -EIO;
}

static int watch_server(libvchan_t *v)
{
	char path[96];

	snprintf(path, sizeof(path), "/local/domain/%d/data/vchan/%d/%d/event-channel", v->peer, v->own, v->port);
	v->watching = true;
	/* Each watch fires once when set: the descriptor is readable from the start and finish() is called. */
	if (!xs_watch(v->xs, path, "n") || !xs_watch(v->xs, "domid", "i") ||
	    (v->own == 0 && !xs_watch(v->xs, "@releaseDomain", "d")) || watch(v, xs_fileno(v->xs)) < 0)
		return errno ? -errno : -EIO;
	if (v->own != 0 && v->peer != 0)
		set_timer(v, DEATH_CHECK_SECONDS);
	return 0;
}

libvchan_t *libvchan_client_init_async(int domain, int port, EVTCHN *watch_fd)
{
	libvchan_t *v = vchan_new(domain, port, false);
	int r;

	if (!v)
		return NULL;
	r = v->own != 0 ? connect_at_once(v) : 1;
	if (r > 0)
		r = watch_server(v);
	if (r < 0) {
		libvchan_close(v);
		errno = -r;
		return NULL;
	}
	*watch_fd = v->epoll_fd;
	return v;
}

static void take_other_events(libvchan_t *v)
{
	uint64_t ticks;
	char **event;

	if (v->timer_fd >= 0 && read(v->timer_fd, &ticks, sizeof(ticks)) < 0)
		ticks = 0;
	while (v->xs && (event = xs_check_watch(v->xs)))
		free(event);
}

int libvchan_client_init_async_finish(libvchan_t *v, bool blocking)
{
	for (;;) {
		struct pollfd p = {.fd = v->epoll_fd, .events = POLLIN};
		int r;

		take_other_events(v);
		if (v->xen)
			return 0;
		r = try_connect(v);
		if (r <= 0 || !blocking)
			return r;
		poll(&p, 1, -1);
	}
}

libvchan_t *libvchan_client_init(int domain, int port)
{
	EVTCHN fd;
	libvchan_t *v = libvchan_client_init_async(domain, port, &fd);
	int r;

	if (!v)
		return NULL;
	r = libvchan_client_init_async_finish(v, true);
	if (r == 0)
		return v;
	libvchan_close(v);
	errno = -r;
	return NULL;
}

int libvchan_is_open(libvchan_t *v)
{
	int state;

	/* The byte comes from a page the peer can write. */
	if (v->dead || !v->xen)
		return v->dead ? VCHAN_DISCONNECTED : VCHAN_WAITING;
	state = libxenvchan_is_open(v->xen);
	if (state == VCHAN_WAITING && v->server && !v->was_connected)
		return VCHAN_WAITING;
	v->was_connected = true;
	if (v->published) {
		unpublish(v);
		arm_death_watch(v);
	}
	return state ? VCHAN_CONNECTED : VCHAN_DISCONNECTED;
}

static int take_events(libvchan_t *v, int timeout)
{
	struct epoll_event ev[3];
	int n;

	if (libvchan_is_open(v) == VCHAN_DISCONNECTED)
		return libvchan_data_ready(v) > 0 ? 0 : -1;
	do
		n = epoll_wait(v->epoll_fd, ev, 3, timeout);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -1;
	for (int i = 0; i < n; i++) {
		if (ev[i].data.fd == libxenvchan_fd_for_select(v->xen)) {
			if (libxenvchan_wait(v->xen) < 0)
				return -1;
			continue;
		}
		take_other_events(v);
		if (!libvchan_peer_alive(v))
			v->dead = true;
	}
	libvchan_is_open(v);
	return 0;
}

int libvchan_wait(libvchan_t *v)
{
	return take_events(v, !v->xen || v->xen->blocking ? -1 : 0);
}

/*
 * libxenvchan's own blocking calls would wait on the event channel alone and miss a death; so they are used non-blocking
 * and the waiting is ours.
 */
static int transfer(libvchan_t *v, int (*op)(struct libxenvchan *, void *, size_t), void *data, size_t size)
{
	bool blocking = v->xen->blocking;
	int n;

	do {
		v->xen->blocking = 0;
		n = op(v->xen, data, size);
		v->xen->blocking = blocking;
	} while (n == 0 && size && blocking && libvchan_wait(v) == 0);
	if (n == 0 && size && (blocking || libvchan_is_open(v) == VCHAN_DISCONNECTED))
		return -1;
	return n;
}

static int op_write(struct libxenvchan *xen, void *data, size_t size)
{
	return libxenvchan_write(xen, data, size);
}

int libvchan_write(libvchan_t *v, const void *data, size_t size)
{
	/* libxenvchan_write() takes it as const again. */
	return v->dead ? -1 : transfer(v, op_write, (void *)(uintptr_t)data, size);
}

int libvchan_read(libvchan_t *v, void *data, size_t size)
{
	return transfer(v, libxenvchan_read, data, size);
}

int libvchan_send(libvchan_t *v, const void *data, size_t size)
{
	const char *p = data;
	size_t left = size;

	if (!v->xen->blocking && libvchan_buffer_space(v) < (int)size)
		return libvchan_is_open(v) ? 0 : -1;
	while (left) {
		int n = libvchan_write(v, p, left);

		if (n < 0)
			return -1;
		p += n;
		left -= (size_t)n;
	}
	return (int)size;
}

int libvchan_recv(libvchan_t *v, void *data, size_t size)
{
	char *p = data;
	size_t left = size;

	if (!v->xen->blocking && libvchan_data_ready(v) < (int)size)
		return libvchan_is_open(v) ? 0 : -1;
	while (left) {
		int n = libvchan_read(v, p, left);

		if (n < 0)
			return -1;
		p += n;
		left -= (size_t)n;
	}
	return (int)size;
}

EVTCHN libvchan_fd_for_select(libvchan_t *v)
{
	return v->epoll_fd;
}

int libvchan_data_ready(libvchan_t *v)
{
	return v->xen ? libxenvchan_data_ready(v->xen) : 0;
}

int libvchan_buffer_space(libvchan_t *v)
{
	return v->xen && !v->dead ? libxenvchan_buffer_space(v->xen) : 0;
}

void libvchan_set_blocking(libvchan_t *v, int blocking)
{
	if (v->xen)
		v->xen->blocking = blocking ? 1 : 0;
}

void libvchan_close(libvchan_t *v)
{
	if (!v)
		return;
	if (v->published)
		unpublish(v);
	if (v->xen)
		libxenvchan_close(v->xen);
	drop_xenstore(v);
	if (v->timer_fd >= 0)
		close(v->timer_fd);
	if (v->epoll_fd >= 0)
		close(v->epoll_fd);
	free(v);
}
