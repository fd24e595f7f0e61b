#pragma once
/*
 * qrexec-daemon: dom0's end of one qube's control channel (ref: runtime.md 3.6, 3.7). Usage, as qubesd starts it:
 *
 *	qrexec-daemon [-q] [-u UUID] -- DOMID NAME [DEFAULT_USER]
 *
 *  - Goes to the background. The parent ends with 0 when the qube's agent has answered, with 3 when it has not within
 *    $QREXEC_STARTUP_TIMEOUT seconds (60; the child goes on waiting), with 1 when the qube died or anything else failed.
 *    $QREXEC_STARTUP_NOWAIT set: 0 at once. `--direct`: stays in the foreground, says READY=1 to $NOTIFY_SOCKET.
 *  - Then there are, in /var/run/qubes (or --socket-dir): qrexec.DOMID, a listening socket, and the links qrexec.NAME and
 *    qrexec.uuid:UUID. They exist exactly while calls are possible: an agent that goes away takes them away, one that
 *    comes back brings them back.
 *  - It ends by itself when the domain does, and on SIGTERM; the sockets are removed then. Disposables that it made for calls
 *    are removed first: with the end of their call, but no later than in half a minute (and qubesd has as long to answer).
 *  - Of 256 calls at a time each has a data channel; who comes then waits for one to end.
 *  - Log of the background process: qrexec.NAME.log in /var/log/qubes (or --log-dir), also what programs of dom0 say on stderr
 *    that run for the qube. A qube can bring about as many lines as it likes: see daemon_log() and common/sys/log_file.h.
 */
#include <stdbool.h>
#include <stdint.h>

#include "runtime/qrexec/channel.h"
#include "runtime/qrexec/polls.h"
#include "runtime/qrexec/protocol.h"

#define DAEMON_MAX_CLIENTS 512
#define DAEMON_MAX_PENDING 256

/* A program of dom0: qrexec-client, or the daemon of another qube. */
struct daemon_client {
	struct daemon_client *next;
	struct channel channel;
	bool greeted;
	bool called; /* has asked; the connection now only tells when the call ends */
	/* While it waits for a port, which all are taken: its MSG_EXEC_CMDLINE or MSG_JUST_EXEC, and its place in the queue. */
	uint64_t ticket;
	uint32_t type;
	struct strbuf question;
	unsigned polled;
};

struct port {
	bool used;
	uint32_t domain; /* the other end of the data channel */
	struct daemon_client *client; /* to be told of the end; NULL when gone */
};

struct request;

struct log_limit {
	int64_t spent;
	unsigned suppressed;
};

struct daemon {
	int domid;
	const char *name, *default_user, *uuid, *socket_dir, *log_dir, *policy_program, *qubesd_socket;
	char *log_path; /* NULL in the foreground */
	bool quiet;
	libvchan_t *vchan;
	int watch_fd;	/* while `connecting` */
	bool connecting;
	struct channel control;
	bool more; /* of it may be there */
	bool greeted, served;
	unsigned version;
	int signal_fd, listen_fd;
	int ready_fd; /* to the waiting parent, or -1 */
	struct daemon_client *clients;
	unsigned n_clients;
	uint64_t tickets;
	struct port ports[QREXEC_DATA_PORTS];
	struct request *requests; /* of the qube */
	unsigned n_requests;
	struct log_limit log_limit;
	struct polls polls;
};

/* daemon_clients.c */
void daemon_clients_accept(struct daemon *d);
void daemon_clients_poll(struct daemon *d);
void daemon_clients_step(struct daemon *d);
void daemon_clients_drop(struct daemon *d);
/* The agent reported the end of a call. */
void daemon_port_free(struct daemon *d, const struct exec_params *where);

/* daemon_requests.c: calls that the qube asks for. */
void daemon_request(struct daemon *d, uint32_t type, const struct message *m);
void daemon_requests_poll(struct daemon *d);
void daemon_requests_step(struct daemon *d);
/* Nobody waits for an answer any more. Disposables stay on the list until their call ends and qubesd has removed them. */
void daemon_requests_drop(struct daemon *d);
/* Nor for the end of a call: the disposables of all that were dropped are removed now. */
void daemon_requests_end(struct daemon *d);
/* A program that was started for a request has ended. */
void daemon_requests_reap(struct daemon *d);
/* Takes the request with this ident off the list, because dom0 answers it; false when there is none. */
bool daemon_request_take(struct daemon *d, const char ident[32]);

/* daemon.c */
void daemon_send(struct daemon *d, uint32_t type, const void *p, size_t n, const void *q, size_t q_n);
/* At most so many lines in so much time: see daemon.c. */
void daemon_log(struct daemon *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
