#pragma once
/*
 * The qube's side of qrexec (ref: runtime.md 3.4). One process, one loop: it holds the control channel to the qrexec-daemon
 * in dom0, the data channels of all calls that run here, and the clients that wait for calls to other qubes.
 *
 * A call costs one process creation, that of the program: its streams are moved here (transfer.h).
 */
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/qrexec/channel.h"
#include "runtime/qrexec/command.h"
#include "runtime/qrexec/service.h"
#include "runtime/qrexec/transfer.h"

#define AGENT_MAX_CALLS 256
/* How long a caller may take to open its data channel. */
#define AGENT_CONNECT_SECONDS 120

struct call {
	struct call *next;
	struct exec_params where; /* its data channel */
	bool just_exec;
	struct command command;
	struct service service;
	libvchan_t *connecting; /* until there is a transfer */
	int watch_fd;
	int64_t deadline; /* for connecting, in ms of the monotonic clock */
	bool transferring;
	struct transfer transfer;
	pid_t pid; /* 0: not running or already reaped */
	unsigned polled, polled_n; /* its entries in the poll set */
};

/* A program in this qube that asked for a call to another one. */
struct client {
	struct client *next;
	struct channel channel;
	bool asked;	/* its request went to dom0 */
	bool connected; /* and was granted; `where` is its channel */
	struct exec_params where;
	unsigned polled;
};

struct agent {
	const char *socket_path;
	libvchan_t *vchan;
	struct channel control;
	bool greeted;
	unsigned version;
	int signal_fd;
	int listen_fd;
	bool meminfo_woken;
	struct call *calls;
	unsigned n_calls;
	struct client *clients;
	unsigned n_clients;
	struct pollfd *polls;
	unsigned n_polls, max_polls;
};

/* agent_calls.c */
void agent_call_start(struct agent *a, bool just_exec, const struct exec_params *where, const char *command);
void agent_calls_poll(struct agent *a, int *timeout);
void agent_calls_step(struct agent *a);
void agent_reap(struct agent *a);

/* agent_clients.c */
void agent_clients_accept(struct agent *a);
void agent_clients_poll(struct agent *a);
void agent_clients_step(struct agent *a);
/* What dom0 answered to the request of client `ident`. */
void agent_client_connect(struct agent *a, const struct exec_params *where, const char ident[32]);
void agent_client_refuse(struct agent *a, const char ident[32]);
void agent_clients_drop(struct agent *a);

/* agent.c */
unsigned agent_add_poll(struct agent *a, int fd, short events);
void agent_send(struct agent *a, uint32_t type, const void *p, size_t n, const void *q, size_t q_n);
void agent_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int64_t now_ms(void);
