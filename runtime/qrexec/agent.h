#pragma once
/*
 * The qube's side of qrexec (ref: runtime.md 3.4). One process, one loop: it holds the control channel to the qrexec-daemon
 * in dom0, the data channels of all calls that run here, and the clients that wait for calls to other qubes.
 *
 * A call costs one process creation, that of the program: its streams are moved here (transfer.h).
 */
#include <stdbool.h>
#include <stdint.h>

#include "runtime/qrexec/channel.h"
#include "runtime/qrexec/command.h"
#include "runtime/qrexec/polls.h"
#include "runtime/qrexec/service.h"
#include "runtime/qrexec/transfer.h"

#define AGENT_MAX_CALLS 256
/*
 * Each that connects may have two watches in xenstore, which allows a qube 100 (oxenstored) or 128; who goes beyond is hung. The
 * others wait for their turn, first come, first served. Who does not connect within its turn goes behind those that wait:
 * callers that died before they opened their channel hold up nobody.
 */
#define AGENT_MAX_CONNECTING 16
#define AGENT_TURN_MS 1000
#define FORK_SERVER_SOCKET "/var/run/qubes/qrexec-server.%s.sock"
/* How long a caller may take to open its data channel. */
#define AGENT_CONNECT_SECONDS 120

/* What goes to a fork server; the command with its NUL follows (ref: runtime.md 3.4). */
struct fork_request {
	int32_t type, connect_domain, connect_port;
	uint32_t command_n;
};

struct call {
	struct call *next;
	struct exec_params where; /* its data channel */
	bool just_exec;
	char *text; /* the command as it came */
	struct command command;
	struct service service;
	int code; /* why it cannot be started: QREXEC_EXIT_* and a text; 0 */
	const char *why;
	bool waits_for_session;
	uint64_t ticket;   /* waits for its turn to connect, behind smaller numbers; 0: does not */
	int64_t turn_end;
	int handed_fd; /* connection to the fork server that runs it; in the fork server: to the agent; or -1 */
	libvchan_t *connecting; /* until there is a transfer */
	int watch_fd;
	int64_t deadline; /* for connecting, in ms of the monotonic clock */
	bool transferring;
	struct transfer transfer;
	pid_t pid; /* 0: not running or already reaped */
	unsigned polled, polled_n; /* its entries in the poll set */
};

/* qubes.WaitForSession runs for a user; calls of that user wait for its end. */
struct session_wait {
	struct session_wait *next;
	char *user;
	pid_t pid;
};

/* A program in this qube that asked for a call to another one. */
struct client {
	struct client *next;
	struct channel channel;
	uint64_t number; /* in its ident: never given twice, because an answer may come after its client has gone */
	bool asked;	/* its request went to dom0 */
	bool connected; /* and was granted; `where` is its channel */
	struct exec_params where;
	unsigned polled;
};

struct agent;

/* What becomes of a call before it is run here. */
struct session_ops {
	/* Whether it has to wait for a session; then agent_call_connect() comes later. */
	bool (*wait)(struct agent *a, struct call *c);
	/* A process ended that is no call's: perhaps one that waited for a session. */
	void (*reap)(struct agent *a, pid_t pid);
	/* Whether the fork server of the user took the call over. */
	bool (*hand_over)(struct agent *a, struct call *c);
};

struct agent {
	const char *socket_path;
	const struct session_ops *session; /* NULL in the fork server, which is in one */
	const char *fork_server; /* its socket, with %s for the user; NULL: none is used */
	libvchan_t *vchan;
	struct channel control;
	bool greeted;
	unsigned version;
	int signal_fd;
	int listen_fd;
	bool meminfo_woken;
	struct call *calls;
	unsigned n_calls;
	uint64_t tickets;
	struct session_wait *waits;
	struct client *clients;
	unsigned n_clients;
	uint64_t client_numbers;
	struct polls polls;
};

/* agent_calls.c */
struct call *agent_call_new(struct agent *a, bool just_exec, const struct exec_params *where, const char *command);
void agent_call_start(struct agent *a, bool just_exec, const struct exec_params *where, const char *command);
/* Connects the data channel of a call that is on the list. */
void agent_call_connect(struct agent *a, struct call *c);
void agent_calls_poll(struct agent *a, int *timeout);
void agent_calls_step(struct agent *a);
void agent_reap(struct agent *a);
/* A service (`pid` or an ancestor of it) wants to use its stdin in both directions. */
void agent_single_socket(struct agent *a, pid_t pid);

/* agent_session.c: calls that want the user's session, and the fork server that may be in it. */
extern const struct session_ops agent_session;

/* agent_clients.c */
void agent_clients_accept(struct agent *a);
void agent_clients_poll(struct agent *a);
void agent_clients_step(struct agent *a);
/* What dom0 answered to the request of client `ident`. */
void agent_client_connect(struct agent *a, const struct exec_params *where, const char ident[32]);
void agent_client_refuse(struct agent *a, const char ident[32]);
void agent_clients_drop(struct agent *a);

/* agent_common.c */
/* Blocks the signals that agent_take_signals() reads; the descriptor, or -1. */
int agent_signals(void);
/* Whether one of them says to end. */
bool agent_take_signals(struct agent *a);
void agent_send(struct agent *a, uint32_t type, const void *p, size_t n, const void *q, size_t q_n);
void agent_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
