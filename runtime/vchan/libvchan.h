#pragma once
/*
 * A byte stream between two domains: a pair of rings in shared memory and an event channel.
 *
 * Names and meaning are those of Qubes OS (ref: runtime.md 2.1), so programs written for its libvchan build against this header
 * unchanged; that is why this one type has a typedef. Two libraries implement it and the link decides which one a program gets:
 *
 *  - vchan-xen:    libxenvchan, xenstore and event channels; what is shipped;
 *  - vchan-socket: UNIX sockets, for tests and development on any Linux machine. Environment: VCHAN_DOMAIN (own domain id,
 *                  default 0), VCHAN_SOCKET_DIR (default /var/run/vchan). Raw bytes over
 *                  $VCHAN_SOCKET_DIR/vchan.<server domain>.<client domain>.<port>.sock.
 *
 * A server object serves one connection. Nothing here is thread safe; different objects are independent. An object must not be
 * used in a forked child while the parent goes on using it.
 *
 * Waiting. libvchan_fd_for_select() is one descriptor for the whole life of an object. It becomes readable on an *edge*: the
 * peer connected, closed, wrote, or made room. Then call libvchan_wait(), which takes the notification, and look at is_open,
 * data_ready and buffer_space; whoever does not drain the data gets no second notification for it. Therefore always
 * look first and poll only when there was nothing to do. On Xen a look that finds nothing (data_ready 0, a short
 * buffer_space, a non-blocking read or write that stopped) is what asks the peer for the notification.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The peer has closed or is gone. What it had written before can still be read. */
#define VCHAN_DISCONNECTED 0
#define VCHAN_CONNECTED 1
/* A server without its client yet. Writing is already allowed, up to the size of the ring. */
#define VCHAN_WAITING 2

typedef int EVTCHN;
typedef struct libvchan libvchan_t;

/*
 * Offers a channel to `domain` and returns at once. `read_min` and `write_min` are the smallest ring sizes in bytes, as seen
 * from this side. NULL on error, with errno set. The result is released with libvchan_close().
 */
libvchan_t *libvchan_server_init(int domain, int port, size_t read_min, size_t write_min);

/* Connects to the server in `domain`; waits until there is one. NULL with errno set, also when `domain` dies meanwhile. */
libvchan_t *libvchan_client_init(int domain, int port);

/*
 * The same without blocking. *watch_fd becomes readable when it is worth calling libvchan_client_init_async_finish(), which
 * returns 0 when connected, > 0 to go on waiting (blocking: waits itself), < 0 when the server will never come. On error the
 * caller still owns the object. After success watch_fd must no longer be polled; ask libvchan_fd_for_select().
 */
libvchan_t *libvchan_client_init_async(int domain, int port, EVTCHN *watch_fd);
int libvchan_client_init_async_finish(libvchan_t *ctrl, bool blocking);

/*
 * At least one byte, at most `size`. Blocks for it, unless set non-blocking: then 0 means none now. -1: the peer is gone (for
 * read: and everything was read).
 */
int libvchan_write(libvchan_t *ctrl, const void *data, size_t size);
int libvchan_read(libvchan_t *ctrl, void *data, size_t size);

/* All of it or -1. When non-blocking, 0 if that much is not possible now; nothing was moved then. */
int libvchan_send(libvchan_t *ctrl, const void *data, size_t size);
int libvchan_recv(libvchan_t *ctrl, void *data, size_t size);

/*
 * Waits for a notification and takes it. 0, or -1 when there will never be one. When non-blocking it takes what is there and
 * returns at once: in an event loop an earlier handler of the same turn may already have read what made the descriptor readable.
 */
int libvchan_wait(libvchan_t *ctrl);

/* What was written stays readable for the peer. NULL is allowed. */
void libvchan_close(libvchan_t *ctrl);

EVTCHN libvchan_fd_for_select(libvchan_t *ctrl);
int libvchan_is_open(libvchan_t *ctrl);

/* Bytes that can be read, and that can be written, without blocking. */
int libvchan_data_ready(libvchan_t *ctrl);
int libvchan_buffer_space(libvchan_t *ctrl);

/*
 * Ours, not upstream's: whether the peer's domain exists at all, asked afresh. For the server of a data channel in dom0, who
 * gets no event when the qube is destroyed, and asks when its qrexec-daemon has gone.
 */
bool libvchan_peer_alive(libvchan_t *ctrl);

/* Objects begin blocking. */
void libvchan_set_blocking(libvchan_t *ctrl, int blocking);
