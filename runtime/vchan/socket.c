/* The libvchan API over UNIX sockets: same observable behaviour as the Xen backend, for machines without Xen. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>
#include <linux/sockios.h>

#include "runtime/vchan/libvchan.h"

/*
 * Bytes a writer may have under way. The kernel accounts sockets by buffer size, not by payload, and wakes a writer when a
 * quarter of the limit (212,992 by default) is left in use: the figure must be larger than that quarter plus one
 * 64 KiB message, or a writer who waits for room would not be woken, and small enough that the rest covers the overhead.
 */
#define SPACE_LIMIT 126976
/* Refused connections are retried this often (1, 2, 4 ... ms): a server between bind() and listen(), or a stale file. */
#define RETRIES 8

enum state { STATE_CONNECTING, STATE_LISTENING, STATE_CONNECTED, STATE_CLOSED };

struct libvchan {
	enum state state;
	bool blocking;
	bool want_out;
	int epoll_fd;
	int listen_fd;
	int fd;
	int inotify_fd;
	int timer_fd;
	int retry;
	ino_t listen_ino;
	struct sockaddr_un address;
	/* written before the peer came */
	char *early;
	size_t early_len;
	size_t early_max;
};

static int own_domain(void)
{
	const char *s = getenv("VCHAN_DOMAIN");

	return s ? atoi(s) : 0;
}

static const char *socket_dir(void)
{
	const char *s = getenv("VCHAN_SOCKET_DIR");

	return s ? s : "/var/run/vchan";
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static libvchan_t *vchan_new(int server, int client, int port)
{
	libvchan_t *v = calloc(1, sizeof(*v));
	int n;

	if (!v)
		return NULL;
	v->blocking = true;
	v->listen_fd = v->fd = v->inotify_fd = v->timer_fd = -1;
	v->address.sun_family = AF_UNIX;
	n = snprintf(v->address.sun_path, sizeof(v->address.sun_path), "%s/vchan.%d.%d.%d.sock", socket_dir(), server,
	             client, port);
	if (n < 0 || (size_t)n >= sizeof(v->address.sun_path)) {
		free(v);
		errno = ENAMETOOLONG;
		return NULL;
	}
	v->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (v->epoll_fd < 0) {
		free(v);
		return NULL;
	}
	return v;
}

static int watch(libvchan_t *v, int op, int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.fd = fd};

	return epoll_ctl(v->epoll_fd, op, fd, &ev);
}

static int connected(libvchan_t *v, int fd)
{
	v->fd = fd;
	v->state = STATE_CONNECTED;
	return watch(v, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLRDHUP | EPOLLET);
}

/* An event for room is asked for only by a writer that lacks it: otherwise each read of the peer would wake us. */
static void ask_for_room(libvchan_t *v, bool want)
{
	if (v->fd < 0 || v->want_out == want)
		return;
	v->want_out = want;
	watch(v, EPOLL_CTL_MOD, v->fd, EPOLLIN | EPOLLRDHUP | EPOLLET | (want ? EPOLLOUT : 0));
}

/* The name appears when the socket already listens: a client never meets one that refuses. */
static int offer(libvchan_t *v)
{
	struct sockaddr_un temporary = v->address;
	struct stat st;
	int n = snprintf(temporary.sun_path, sizeof(temporary.sun_path), "%s.%d", v->address.sun_path, getpid());

	if (n < 0 || (size_t)n >= sizeof(temporary.sun_path))
		return -ENAMETOOLONG;
	v->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (v->listen_fd < 0)
		return -errno;
	n = bind(v->listen_fd, (struct sockaddr *)&temporary, sizeof(temporary));
	if (n < 0 && errno == EADDRINUSE) {
		/* Left by a process that died right here and had our number. */
		unlink(temporary.sun_path);
		n = bind(v->listen_fd, (struct sockaddr *)&temporary, sizeof(temporary));
	}
	if (n < 0)
		return -errno;
	if (listen(v->listen_fd, 1) < 0 || stat(temporary.sun_path, &st) < 0 ||
	    rename(temporary.sun_path, v->address.sun_path) < 0) {
		int r = -errno;

		unlink(temporary.sun_path);
		return r;
	}
	v->listen_ino = st.st_ino;
	return watch(v, EPOLL_CTL_ADD, v->listen_fd, EPOLLIN) < 0 ? -errno : 0;
}

libvchan_t *libvchan_server_init(int domain, int port, size_t read_min, size_t write_min)
{
	libvchan_t *v = vchan_new(own_domain(), domain, port);
	int r;

	(void)read_min;
	if (!v)
		return NULL;
	v->state = STATE_LISTENING;
	v->early_max = write_min;
	r = offer(v);
	if (r == 0)
		return v;
	libvchan_close(v);
	errno = -r;
	return NULL;
}

static void accept_client(libvchan_t *v)
{
	int fd = accept4(v->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	unlink(v->address.sun_path);
	close_fd(&v->listen_fd);
	if (connected(v, fd) < 0)
		v->state = STATE_CLOSED;
	/* At most a ring's worth, far below the socket's buffer: this cannot be short. */
	if (v->early_len && send(fd, v->early, v->early_len, MSG_NOSIGNAL) != (ssize_t)v->early_len)
		v->state = STATE_CLOSED;
	free(v->early);
	v->early = NULL;
}

/* 0 connected, 1 not there yet, 2 refused, < 0 never. */
static int try_connect(libvchan_t *v)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int e;

	if (fd < 0)
		return -errno;
	/* Blocking on purpose: with a full backlog a non-blocking connect has no event to wait for. */
	if (connect(fd, (struct sockaddr *)&v->address, sizeof(v->address)) == 0) {
		e = connected(v, fd) < 0 ? -errno : 0;
		close_fd(&v->inotify_fd);
		close_fd(&v->timer_fd);
		return e;
	}
	e = errno;
	close(fd);
	if (e == ECONNREFUSED)
		return 2;
	return e == ENOENT || e == EINTR ? 1 : -e;
}

static void arm_retry(libvchan_t *v)
{
	struct itimerspec t = {.it_value.tv_nsec = 1000000L << v->retry};

	if (v->retry >= RETRIES)
		return;
	v->retry++;
	timerfd_settime(v->timer_fd, 0, &t, NULL);
}

static int watch_directory(libvchan_t *v)
{
	v->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	v->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (v->inotify_fd < 0 || v->timer_fd < 0)
		return -errno;
	if (inotify_add_watch(v->inotify_fd, socket_dir(), IN_CREATE | IN_MOVED_TO) < 0)
		return -errno;
	if (watch(v, EPOLL_CTL_ADD, v->inotify_fd, EPOLLIN) < 0 || watch(v, EPOLL_CTL_ADD, v->timer_fd, EPOLLIN) < 0)
		return -errno;
	return 0;
}

libvchan_t *libvchan_client_init_async(int domain, int port, EVTCHN *watch_fd)
{
	libvchan_t *v = vchan_new(domain, own_domain(), port);
	int r;

	if (!v)
		return NULL;
	v->state = STATE_CONNECTING;
	*watch_fd = v->epoll_fd;
	r = try_connect(v);
	if (r > 0) {
		r = watch_directory(v);
		/* It may have appeared before the watch did. */
		if (r == 0)
			r = try_connect(v);
		if (r == 2)
			arm_retry(v);
	}
	if (r < 0) {
		libvchan_close(v);
		errno = -r;
		return NULL;
	}
	/* Done already: the descriptor must be readable once, so that the caller calls finish. */
	if (r == 0)
		ask_for_room(v, true);
	return v;
}

/* Takes the events; true when a new name appeared in the directory. */
static bool take_directory_events(libvchan_t *v)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	const char *name = strrchr(v->address.sun_path, '/') + 1;
	bool ours = false;
	uint64_t ticks;
	ssize_t n;

	while ((n = read(v->inotify_fd, buf, sizeof(buf))) > 0) {
		const struct inotify_event *ev;

		for (const char *p = buf; p < buf + n; p += sizeof(*ev) + ev->len) {
			ev = (const struct inotify_event *)(const void *)p;
			if ((ev->mask & IN_Q_OVERFLOW) || (ev->len && strcmp(ev->name, name) == 0))
				ours = true;
		}
	}
	if (ours)
		v->retry = 0;
	if (read(v->timer_fd, &ticks, sizeof(ticks)) == (ssize_t)sizeof(ticks))
		ours = true;
	return ours;
}

int libvchan_client_init_async_finish(libvchan_t *v, bool blocking)
{
	while (v->state == STATE_CONNECTING) {
		int r = 1;

		if (take_directory_events(v))
			r = try_connect(v);
		if (r == 2)
			arm_retry(v);
		if (r < 0)
			return r;
		if (r > 0 && !blocking)
			return 1;
		if (r > 0) {
			struct pollfd p = {.fd = v->epoll_fd, .events = POLLIN};

			poll(&p, 1, -1);
		}
	}
	ask_for_room(v, false);
	return 0;
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
	struct pollfd p = {.fd = v->fd, .events = POLLRDHUP};

	if (v->state == STATE_LISTENING)
		accept_client(v);
	if (v->state == STATE_LISTENING || v->state == STATE_CONNECTING)
		return VCHAN_WAITING;
	if (v->state == STATE_CONNECTED && poll(&p, 1, 0) > 0)
		v->state = STATE_CLOSED;
	return v->state == STATE_CONNECTED ? VCHAN_CONNECTED : VCHAN_DISCONNECTED;
}

int libvchan_data_ready(libvchan_t *v)
{
	int n = 0;

	if (v->fd < 0 || ioctl(v->fd, FIONREAD, &n) < 0)
		return 0;
	return n;
}

int libvchan_buffer_space(libvchan_t *v)
{
	int n = 0;

	if (v->state == STATE_LISTENING)
		accept_client(v);
	if (v->state == STATE_LISTENING)
		return (int)(v->early_max - v->early_len);
	if (v->state != STATE_CONNECTED || ioctl(v->fd, SIOCOUTQ, &n) < 0)
		return 0;
	n = n >= SPACE_LIMIT ? 0 : SPACE_LIMIT - n;
	ask_for_room(v, n < SPACE_LIMIT / 2);
	return n;
}

static int take_event(libvchan_t *v, int timeout)
{
	struct epoll_event ev;
	int n;

	if (v->state == STATE_CLOSED)
		return libvchan_data_ready(v) > 0 ? 0 : -1;
	do
		n = epoll_wait(v->epoll_fd, &ev, 1, timeout);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n;
	if (v->state == STATE_LISTENING)
		accept_client(v);
	else if (ev.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		v->state = STATE_CLOSED;
	return 0;
}

int libvchan_wait(libvchan_t *v)
{
	return take_event(v, v->blocking ? -1 : 0);
}

static int write_early(libvchan_t *v, const void *data, size_t size)
{
	size_t room = v->early_max - v->early_len;

	if (!v->early && !(v->early = malloc(v->early_max ? v->early_max : 1)))
		return -1;
	if (size > room)
		size = room;
	memcpy(v->early + v->early_len, data, size);
	v->early_len += size;
	return (int)size;
}

int libvchan_write(libvchan_t *v, const void *data, size_t size)
{
	for (;;) {
		ssize_t n;

		if (v->state == STATE_LISTENING)
			accept_client(v);
		if (v->state == STATE_LISTENING) {
			n = write_early(v, data, size);
		} else if (v->state == STATE_CONNECTED) {
			n = send(v->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
			if (n < 0 && (errno == EAGAIN || errno == EINTR))
				n = 0;
			ask_for_room(v, n < (ssize_t)size);
		} else {
			return -1;
		}
		if (n < 0)
			v->state = STATE_CLOSED;
		if (n || !size || !v->blocking)
			return (int)n;
		if (libvchan_wait(v) < 0)
			return -1;
	}
}

int libvchan_read(libvchan_t *v, void *data, size_t size)
{
	for (;;) {
		ssize_t n = -1;

		if (v->state == STATE_LISTENING)
			accept_client(v);
		if (v->fd >= 0) {
			n = recv(v->fd, data, size, MSG_DONTWAIT);
			if (n > 0 || !size)
				return (int)n;
			if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
				v->state = STATE_CLOSED;
				return -1;
			}
		}
		if (!v->blocking)
			return 0;
		if (libvchan_wait(v) < 0)
			return -1;
	}
}

int libvchan_send(libvchan_t *v, const void *data, size_t size)
{
	const char *p = data;
	size_t left = size;

	if (!v->blocking && libvchan_buffer_space(v) < (int)size)
		return libvchan_is_open(v) ? 0 : -1;
	while (left) {
		int n = libvchan_write(v, p, left);

		if (n < 0)
			return -1;
		if (n == 0)
			take_event(v, -1);
		p += n;
		left -= (size_t)n;
	}
	return (int)size;
}

int libvchan_recv(libvchan_t *v, void *data, size_t size)
{
	char *p = data;
	size_t left = size;

	if (!v->blocking && libvchan_data_ready(v) < (int)size)
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

bool libvchan_peer_alive(libvchan_t *v)
{
	(void)v;
	return true;
}

void libvchan_set_blocking(libvchan_t *v, int blocking)
{
	v->blocking = blocking != 0;
}

void libvchan_close(libvchan_t *v)
{
	struct stat st;

	if (!v)
		return;
	/* A successor may already have taken over the name. */
	if (v->state == STATE_LISTENING && stat(v->address.sun_path, &st) == 0 && st.st_ino == v->listen_ino)
		unlink(v->address.sun_path);
	close_fd(&v->listen_fd);
	close_fd(&v->fd);
	close_fd(&v->inotify_fd);
	close_fd(&v->timer_fd);
	close_fd(&v->epoll_fd);
	free(v->early);
	free(v);
}
