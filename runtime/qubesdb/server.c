#include "runtime/qubesdb/daemon.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"

enum {
	CLIENTS_MAX = 256,
	/* A client that does not read its answers is not asked for more questions beyond this. */
	PENDING_HIGH = 1 << 20,
};

struct listener {
	char *path;
	ino_t inode;
	int fd;
	enum qdb_peer_kind kind;
	sd_event_source *source;
	struct daemon *daemon;
};

struct client {
	int fd;
	sd_event_source *source;
	struct daemon *daemon;
};

struct server {
	struct listener listeners[2];
	char *alias; /* dom0: qubesdb.sock is a link to its own */
	unsigned clients;
};

static void drop_client(struct daemon *d, struct qdb_peer *peer)
{
	struct client *client = peer->owner;

	if (peer->broken)
		daemon_log(d, "a client was closed: %s", peer->why);
	sd_event_source_unref(client->source);
	close(client->fd);
	free(client);
	qdb_engine_remove(&d->engine, peer);
	d->server->clients--;
}

static int write_pending(struct qdb_peer *peer, int fd)
{
	struct blob pending;

	while ((pending = qdb_peer_pending(peer)).n) {
		ssize_t n = send(fd, pending.p, pending.n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		qdb_peer_sent(peer, (size_t)n);
	}
	return 0;
}

void server_flush(struct daemon *d)
{
	struct qdb_peer *next;

	for (struct qdb_peer *peer = d->engine.peers; peer; peer = next) {
		struct client *client = peer->owner;

		next = peer->next;
		if (!client)
			continue;
		if (peer->broken || write_pending(peer, client->fd) < 0) {
			drop_client(d, peer);
			continue;
		}
		size_t pending = qdb_peer_pending(peer).n;
		sd_event_source_set_io_events(client->source,
					      (pending < PENDING_HIGH ? EPOLLIN : 0U) |
						      (pending ? EPOLLOUT : 0U));
	}
}

static int on_client(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct qdb_peer *peer = userdata;
	struct client *client = peer->owner;
	struct daemon *d = client->daemon;
	char buf[16384];

	(void)source;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (n > 0) {
			qdb_engine_feed(&d->engine, peer, buf, (size_t)n);
		} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			drop_client(d, peer);
		}
	}
	daemon_flush(d);
	return 0;
}

static int on_connect(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct listener *listener = userdata;
	struct daemon *d = listener->daemon;
	int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)source;
	(void)events;
	if (conn < 0)
		return 0;
	if (d->server->clients >= CLIENTS_MAX) {
		daemon_log(d, "a client was refused: there are %d already", CLIENTS_MAX);
		close(conn);
		return 0;
	}

	struct client *client = xcalloc(1, sizeof(*client));
	struct qdb_peer *peer = qdb_engine_add(&d->engine, listener->kind);

	*client = (struct client){.fd = conn, .daemon = d};
	peer->owner = client;
	d->server->clients++;
	if (sd_event_add_io(d->event, &client->source, conn, EPOLLIN, on_client, peer) < 0)
		drop_client(d, peer);
	return 0;
}

static int listener_open(struct listener *listener, mode_t mode)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat st;

	if (strlen(listener->path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, listener->path, strlen(listener->path));
	unlink(listener->path);

	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(listener->path, mode) < 0 || stat(listener->path, &st) < 0 || listen(fd, 64) < 0)
		return -errno;
	listener->inode = st.st_ino;
	listener->fd = take_fd(&fd);
	return 0;
}

int server_open(struct daemon *d, const char *dir, mode_t mode)
{
	struct server *server = d->server = xcalloc(1, sizeof(*server));
	const char *dot = d->name ? "." : "", *name = d->name ? d->name : "";
	int r = 0;

	server->listeners[0] =
		(struct listener){.path = xasprintf("%s/qubesdb%s%s.sock", dir, dot, name),
				  .fd = -1,
				  .kind = QDB_PEER_CLIENT,
				  .daemon = d};
	server->listeners[1] =
		(struct listener){.path = xasprintf("%s/qubesdb%s%s.ro.sock", dir, dot, name),
				  .fd = -1,
				  .kind = QDB_PEER_CLIENT_RO,
				  .daemon = d};
	r = listener_open(&server->listeners[0], mode);
	if (!r)
		r = listener_open(&server->listeners[1], 0666);
	if (!r && d->name && !strcmp(d->name, "dom0")) {
		server->alias = xasprintf("%s/qubesdb.sock", dir);
		unlink(server->alias);
		if (symlink("qubesdb.dom0.sock", server->alias) < 0)
			r = -errno;
	}
	return r;
}

void server_start(struct daemon *d)
{
	for (int i = 0; i < 2; i++)
		sd_event_add_io(d->event, &d->server->listeners[i].source,
				d->server->listeners[i].fd, EPOLLIN, on_connect,
				&d->server->listeners[i]);
}

void server_close(struct daemon *d)
{
	struct qdb_peer *next;
	struct stat st;

	if (!d->server)
		return;
	for (struct qdb_peer *peer = d->engine.peers; peer; peer = next) {
		next = peer->next;
		if (peer->owner)
			drop_client(d, peer);
	}
	for (int i = 0; i < 2; i++) {
		struct listener *listener = &d->server->listeners[i];

		sd_event_source_unref(listener->source);
		if (listener->fd >= 0) {
			close(listener->fd);
			if (lstat(listener->path, &st) == 0 && st.st_ino == listener->inode)
				unlink(listener->path);
		}
		free(listener->path);
	}
	if (d->server->alias)
		unlink(d->server->alias);
	free(d->server->alias);
	free(take_ptr(d->server));
}
