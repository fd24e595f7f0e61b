/* The QubesDB daemon's parts: local clients (server.c), the vchan to the other end (link.c), and
 * main() in daemon.c. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "runtime/qubesdb/engine.h"

struct server;
struct link;

struct daemon {
	sd_event *event;
	struct qdb_engine engine;
	struct server *server;
	struct link *link; /* NULL in dom0's own daemon */
	int remote;	   /* domain at the other end */
	const char *name;  /* of the qube that the data belong to; NULL in a qube */
	bool ready;
};

/* Called once, when clients get right answers from now on. */
void daemon_ready(struct daemon *d);
/* Sends what waits in the peers' queues; to be called after any message was handled. */
void daemon_flush(struct daemon *d);
/* One line for the log. */
void daemon_log(const struct daemon *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Binds `dir`/qubesdb[.NAME].sock with the permissions `mode`, and the read-only one beside it.
 * Clients may connect at once and are served after server_start(). 0 or -errno.
 */
int server_open(struct daemon *d, const char *dir, mode_t mode);
void server_start(struct daemon *d);
void server_flush(struct daemon *d);
/* Removes the sockets, unless another daemon has replaced them. */
void server_close(struct daemon *d);

/* Opens the vchan: in dom0 (to_qube) as its server. 0 or -errno. */
int link_open(struct daemon *d, bool to_qube);
void link_flush(struct daemon *d);
void link_close(struct daemon *d);
