#pragma once
/*
 * The data channel of one call (ref: runtime.md 3.3, 3.5): handshake, three streams, end-of-file marks and the exit code,
 * between a vchan and local descriptors. It never blocks and owns no loop: the agent runs many of them, a client one.
 *
 *	for (;;) {
 *		struct pollfd p[TRANSFER_FDS];
 *		poll(p, transfer_poll(t, p), transfer_busy(t) ? 0 : -1);
 *		if (transfer_step(t, p) != TRANSFER_RUNNING)
 *			break;
 *	}
 *
 * A side that cannot take more makes the other wait. Only when both directions are stuck, which a program that writes
 * everything before it reads can bring about, incoming bytes are kept in memory: 50 MB, as upstream always does.
 */
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/strbuf.h"
#include "runtime/vchan/libvchan.h"

#define TRANSFER_FDS 4
#define TRANSFER_STASH_MAX (50 << 20)

enum transfer_role {
	TRANSFER_SERVICE,   /* receives stdin, sends stdout, stderr and the exit code */
	TRANSFER_INITIATOR, /* the other one */
};

enum transfer_state {
	TRANSFER_RUNNING,
	TRANSFER_DONE,	 /* service: all sent; initiator: exit_code is valid */
	TRANSFER_LOST,	 /* the peer is gone without a regular end */
	TRANSFER_BROKEN, /* the peer sent what no peer may send, or speaks too old a version */
	TRANSFER_PIPE,	 /* nobody reads our standard output any more (stop_on_pipe) */
	TRANSFER_UNWRITTEN, /* it cannot be written for another reason, output_error (stop_on_pipe) */
};

struct transfer {
	enum transfer_role role;
	libvchan_t *vchan; /* owned */
	unsigned version;  /* 0 until the peer's HELLO */
	bool connected;
	bool hello_sent;
	bool attached;	   /* the descriptors below are valid */
	bool no_streams;   /* MSG_JUST_EXEC: only the exit code is sent, and no stdin */
	bool stop_on_pipe;
	bool end_on_in_eof;  /* service: exit-on-client-eof */
	bool end_on_out_eof; /* service: exit-on-service-eof */
	bool filter_out, filter_err; /* initiator: make the output safe for a terminal */

	/*
	 * Owned; -1: none. Service: stdin, stdout, stderr of the program, seen from outside. Initiator: in_fd takes the peer's
	 * stdout, err_fd its stderr, out_fd is our stdin. in_fd is a socket or non-blocking.
	 */
	int in_fd, out_fd, err_fd;
	int ended_in_fd; /* service: the socket that was in_fd until its end of file */
	int connecting_fd; /* service: a socket that becomes in_fd and out_fd, or -1 */
	int connect_failure; /* the exit code if it does not */
	bool out_eof_sent, err_eof_sent;
	bool exited, exit_sent;
	bool cut_short; /* an end of input or output ended the call, though its program goes on */
	int exit_code;

	/* parser of what comes in */
	uint32_t type;
	uint32_t left; /* bytes of the current payload still to come */
	struct strbuf stash; /* read from the vchan, not yet consumed */
	size_t stash_used;
	const int *no_socket; /* which of the descriptors above was found to be none */
	bool sink_blocked;
	int blocked_fd;
	bool in_maybe; /* the vchan was not yet found empty since its last event */
	bool peer_gone;
	bool ended; /* the exit code came */
	enum transfer_state failure;
	int output_error; /* errno */

	struct strbuf out; /* did not fit into the vchan */
	size_t out_sent;
	bool busy;
};

/* `hello_first`: whether we greet first (agents and callers from dom0 do) or answer (dom0 when called). */
void transfer_init(struct transfer *t, enum transfer_role role, libvchan_t *vchan, bool hello_first);

/* Whether the handshake is over; and whether now is the time to start the program. */
bool transfer_ready(const struct transfer *t);
bool transfer_wants_program(const struct transfer *t);

/* The program runs (or, with all -1, did not start); takes over the descriptors. */
void transfer_attach(struct transfer *t, int in_fd, int out_fd, int err_fd);

/*
 * The same with a socket, for both directions, whose connection may not stand yet: it is attached when it does. When it never
 * does, that is as if the program had ended with `failure`.
 */
void transfer_connect(struct transfer *t, int fd, int failure);

/* Service, before the two above: bytes that reach the program before what the caller sends. `end`: and it gets nothing else. */
void transfer_feed(struct transfer *t, const void *data, size_t n, bool end);

/* Service: the program's stdin socket is from now on its output, too. */
void transfer_single_socket(struct transfer *t);

/* Service: the program has ended. The code is sent when its output has been. */
void transfer_exited(struct transfer *t, int code);

/* Initiator: bytes that go before everything from out_fd. Call before the first step. */
void transfer_prefix(struct transfer *t, const void *data, size_t n);

/* Fills at most TRANSFER_FDS entries, returns how many; p[0] is the vchan. */
unsigned transfer_poll(const struct transfer *t, struct pollfd *p);

/* There is more to do at once: do not wait in poll. */
bool transfer_busy(const struct transfer *t);

/* Moves what can be moved. `p` and `n` are the polled entries of this transfer. */
enum transfer_state transfer_step(struct transfer *t, const struct pollfd *p, unsigned n);

/* Nothing from the peer waits to be read or passed on. */
bool transfer_drained(const struct transfer *t);

/* Closes everything. */
void transfer_free(struct transfer *t);
