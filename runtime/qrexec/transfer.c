#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/qrexec/protocol.h"
#include "runtime/qrexec/transfer.h"

#define HEADER sizeof(struct msg_header)
/* Chunks moved per call and direction before other calls get their turn. */
#define TURN 16
#define PAGE 4096

/*
 * One call at a time moves data in this process, so all share the buffers; a call owns memory only for what it could not
 * pass on. Input takes several messages in one read.
 */
static char in_buffer[QREXEC_CHUNK + PAGE] __attribute__((aligned(PAGE)));
static char out_buffer[QREXEC_CHUNK + PAGE] __attribute__((aligned(PAGE)));
/* Whether more than the first pages of them were used since they were last given back. */
static bool buffers_used;

void transfer_init(struct transfer *t, enum transfer_role role, libvchan_t *vchan, bool hello_first)
{
	*t = (struct transfer){.role = role, .vchan = vchan, .in_fd = -1, .out_fd = -1, .err_fd = -1, .blocked_fd = -1,
	                         .ended_in_fd = -1, .connecting_fd = -1};
	libvchan_set_blocking(vchan, 0);
	t->busy = true;
	if (hello_first) {
		const struct {
			struct msg_header h;
			struct peer_info info;
		} hello = {{MSG_HELLO, sizeof(hello.info)}, {QREXEC_PROTOCOL_VERSION}};

		strbuf_add(&t->out, &hello, sizeof(hello));
		t->hello_sent = true;
	}
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* A process that lives long and once moved much holds no memory for it. */
static void give_back_buffers(void)
{
	if (!buffers_used)
		return;
	madvise(in_buffer, sizeof(in_buffer), MADV_DONTNEED);
	madvise(out_buffer, sizeof(out_buffer), MADV_DONTNEED);
	buffers_used = false;
}

void transfer_free(struct transfer *t)
{
	give_back_buffers();
	if (t->out_fd == t->in_fd)
		t->out_fd = -1;
	close_fd(&t->in_fd);
	close_fd(&t->out_fd);
	close_fd(&t->err_fd);
	close_fd(&t->ended_in_fd);
	close_fd(&t->connecting_fd);
	libvchan_close(t->vchan);
	t->vchan = NULL;
	strbuf_free(&t->stash);
	strbuf_free(&t->out);
}

bool transfer_ready(const struct transfer *t)
{
	return t->version != 0;
}

bool transfer_wants_program(const struct transfer *t)
{
	return transfer_ready(t) && !t->attached && t->connecting_fd < 0;
}

void transfer_attach(struct transfer *t, int in_fd, int out_fd, int err_fd)
{
	t->in_fd = in_fd;
	t->out_fd = out_fd;
	t->err_fd = err_fd;
	t->attached = true;
	t->busy = true;
}

void transfer_connect(struct transfer *t, int fd, int failure)
{
	t->connecting_fd = fd;
	t->connect_failure = failure;
}

static void finish_connecting(struct transfer *t)
{
	int fd = t->connecting_fd, error = 0;
	socklen_t n = sizeof(error);

	t->connecting_fd = -1;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && !error) {
		transfer_attach(t, fd, t->no_streams ? -1 : fd, -1);
		return;
	}
	close(fd);
	transfer_attach(t, -1, -1, -1);
	transfer_exited(t, t->connect_failure);
}

void transfer_single_socket(struct transfer *t)
{
	int fd = t->in_fd >= 0 ? t->in_fd : t->ended_in_fd;

	if (t->role != TRANSFER_SERVICE || fd < 0 || t->out_fd == fd || t->out_eof_sent)
		return;
	close_fd(&t->out_fd);
	t->out_fd = fd;
	t->ended_in_fd = -1;
	t->busy = true;
}

void transfer_exited(struct transfer *t, int code)
{
	t->exited = true;
	t->exit_code = code;
	t->busy = true;
}

/* A socket service, which has no program, counts as exited from its start: this is something else. */
static void cut_short(struct transfer *t)
{
	t->cut_short = true;
	transfer_exited(t, 0);
}

bool transfer_busy(const struct transfer *t)
{
	return t->busy;
}

bool transfer_drained(const struct transfer *t)
{
	return t->stash_used == t->stash.n && libvchan_data_ready(t->vchan) <= 0;
}

static bool out_pending(const struct transfer *t)
{
	return t->out_sent < t->out.n;
}

unsigned transfer_poll(const struct transfer *t, struct pollfd *p)
{
	unsigned n = 0;

	p[n++] = (struct pollfd){.fd = libvchan_fd_for_select(t->vchan), .events = POLLIN};
	if (t->sink_blocked)
		p[n++] = (struct pollfd){.fd = t->blocked_fd, .events = POLLOUT};
	if (t->connecting_fd >= 0)
		p[n++] = (struct pollfd){.fd = t->connecting_fd, .events = POLLOUT};
	if (t->attached && t->version && !out_pending(t)) {
		if (t->out_fd >= 0)
			p[n++] = (struct pollfd){.fd = t->out_fd, .events = POLLIN};
		if (t->err_fd >= 0 && t->role == TRANSFER_SERVICE)
			p[n++] = (struct pollfd){.fd = t->err_fd, .events = POLLIN};
	}
	return n;
}

/* --- towards the vchan --- */

/* Noticed by writing: what it said before is still to be read, which is told once. */
static void peer_left(struct transfer *t)
{
	if (!t->peer_gone)
		t->peer_gone = t->in_maybe = true;
	strbuf_free(&t->out);
	t->out_sent = 0;
}

/* Sends, and keeps what did not fit. The order is kept because nothing is sent while something is kept. */
static void put(struct transfer *t, const char *p, size_t n)
{
	int sent = 0;

	if (!out_pending(t)) {
		sent = libvchan_write(t->vchan, p, n);
		if (sent < 0) {
			peer_left(t);
			return;
		}
		strbuf_reset(&t->out);
		t->out_sent = 0;
	}
	if ((size_t)sent < n)
		strbuf_add(&t->out, p + sent, n - (size_t)sent);
}

static void put_message(struct transfer *t, uint32_t type, const void *data, size_t n)
{
	char small[HEADER + 8];
	struct msg_header h = {type, (uint32_t)n};

	memcpy(small, &h, HEADER);
	if (n)
		memcpy(small + HEADER, data, n);
	put(t, small, HEADER + n);
}

/* As messages that are small enough for every version. */
static void add_stdin(struct strbuf *to, const char *p, size_t n)
{
	while (n) {
		size_t k = n < QREXEC_CHUNK_V2 ? n : QREXEC_CHUNK_V2;
		struct msg_header h = {MSG_DATA_STDIN, (uint32_t)k};

		strbuf_add(to, &h, HEADER);
		strbuf_add(to, p, k);
		p += k;
		n -= k;
	}
}

void transfer_prefix(struct transfer *t, const void *data, size_t n)
{
	/* It is queued before the peer's version is known. */
	add_stdin(&t->out, data, n);
}

void transfer_feed(struct transfer *t, const void *data, size_t n, bool end)
{
	static const struct msg_header nothing = {MSG_DATA_STDIN, 0};
	struct strbuf all = {0};

	add_stdin(&all, data, n);
	if (end)
		strbuf_add(&all, &nothing, HEADER);
	/* Behind it comes what was read together with the greeting. */
	if (t->stash.n > t->stash_used)
		strbuf_add(&all, t->stash.p + t->stash_used, t->stash.n - t->stash_used);
	strbuf_free(&t->stash);
	t->stash = all;
	t->stash_used = 0;
}

static void flush(struct transfer *t)
{
	int n;

	if (!out_pending(t))
		return;
	n = libvchan_write(t->vchan, t->out.p + t->out_sent, t->out.n - t->out_sent);
	if (n < 0)
		peer_left(t);
	else
		t->out_sent += (size_t)n;
	if (!out_pending(t)) {
		/* Whole buffers are given back: a call that once was blocked holds no memory afterwards. */
		strbuf_free(&t->out);
		t->out_sent = 0;
	}
}

/* One read of a local source. */
static void pump_source(struct transfer *t, int *fd, uint32_t type, bool *eof_sent)
{
	ssize_t n = read(*fd, out_buffer + HEADER, chunk_of_version(t->version));
	struct msg_header h = {type, 0};

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		h.len = (uint32_t)n;
	buffers_used |= n > PAGE;
	memcpy(out_buffer, &h, HEADER);
	put(t, out_buffer, HEADER + h.len);
	if (n > 0)
		return;
	*eof_sent = true;
	if (*fd != t->in_fd || fd == &t->in_fd)
		close(*fd);
	*fd = -1;
	if (type == MSG_DATA_STDOUT && t->end_on_out_eof)
		cut_short(t);
}

static void send_eofs(struct transfer *t)
{
	if (t->role == TRANSFER_INITIATOR) {
		if (t->out_fd < 0 && !t->out_eof_sent && !t->no_streams) {
			put_message(t, MSG_DATA_STDIN, NULL, 0);
			t->out_eof_sent = true;
		}
		return;
	}
	if ((t->out_fd < 0 || t->cut_short) && !t->out_eof_sent && !t->no_streams)
		put_message(t, MSG_DATA_STDOUT, NULL, 0);
	if (t->out_fd < 0 || t->cut_short)
		t->out_eof_sent = true;
	if ((t->err_fd < 0 || t->cut_short) && !t->err_eof_sent && !t->no_streams)
		put_message(t, MSG_DATA_STDERR, NULL, 0);
	if (t->err_fd < 0 || t->cut_short)
		t->err_eof_sent = true;
	if (t->exited && t->out_eof_sent && t->err_eof_sent && !t->exit_sent) {
		int32_t code = t->exit_code;

		put_message(t, MSG_DATA_EXIT_CODE, &code, sizeof(code));
		t->exit_sent = true;
	}
}

/* --- from the vchan --- */

static int *sink_of(struct transfer *t)
{
	if (t->role == TRANSFER_SERVICE)
		return t->type == MSG_DATA_STDIN ? &t->in_fd : NULL;
	if (t->type == MSG_DATA_STDOUT)
		return &t->in_fd;
	return t->type == MSG_DATA_STDERR ? &t->err_fd : NULL;
}

static void close_sink(struct transfer *t, int *fd)
{
	if (*fd >= 0 && *fd == t->out_fd) {
		/* One socket for both directions: the other one lives on. */
		shutdown(*fd, SHUT_WR);
		*fd = -1;
		return;
	}
	close_fd(fd);
}

/* Bytes outside printable ASCII and common white space become '_'. */
static void make_safe(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if ((c < 0x20 || c > 0x7e) && c != '\t' && c != '\n' && c != '\r' && c != '\b' && c != '\a')
			p[i] = '_';
	}
}

/* Bytes the local side took; fewer when it cannot take more now. A side that is gone takes everything. */
static size_t to_sink(struct transfer *t, char *p, size_t n)
{
	int *fd = sink_of(t);
	ssize_t r;

	if (!fd || *fd < 0)
		return n;
	if (t->role == TRANSFER_INITIATOR && (t->type == MSG_DATA_STDOUT ? t->filter_out : t->filter_err))
		make_safe(p, n);
	r = fd == t->no_socket ? write(*fd, p, n) : send(*fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (r < 0 && errno == ENOTSOCK) {
		t->no_socket = fd;
		r = write(*fd, p, n);
	}
	/* A short write is not tried again before there is room for more than the next few bytes. */
	if ((r >= 0 && (size_t)r < n) || (r < 0 && errno == EAGAIN)) {
		t->sink_blocked = true;
		t->blocked_fd = *fd;
	}
	if (r >= 0)
		return (size_t)r;
	if (errno == EINTR || errno == EAGAIN)
		return 0;
	if (t->stop_on_pipe && fd == &t->in_fd) {
		t->failure = errno == EPIPE || errno == ECONNRESET ? TRANSFER_PIPE : TRANSFER_UNWRITTEN;
		t->output_error = errno;
	}
	close_sink(t, fd);
	return n;
}

/* What an empty message of the current type means. */
static void take_eof(struct transfer *t)
{
	int *fd = sink_of(t);

	/* The program may yet want to write there. */
	if (fd && *fd >= 0 && t->role == TRANSFER_SERVICE && *fd != t->out_fd && shutdown(*fd, SHUT_WR) == 0) {
		t->ended_in_fd = *fd;
		*fd = -1;
	} else if (fd) {
		close_sink(t, fd);
	}
	if (fd && t->role == TRANSFER_SERVICE && t->end_on_in_eof)
		cut_short(t);
}

static bool take_header(struct transfer *t, const struct msg_header *h)
{
	bool streams = h->type >= MSG_DATA_STDIN && h->type <= MSG_DATA_STDERR;

	if (!t->version)
		return h->type == MSG_HELLO && h->len == sizeof(struct peer_info);
	if (h->type == MSG_DATA_EXIT_CODE)
		return h->len == sizeof(int32_t);
	/* A stream of the wrong direction is read and dropped, as upstream does. */
	return streams && h->len <= chunk_of_version(t->version);
}

static bool take_hello(struct transfer *t, const char *p)
{
	struct peer_info info;

	memcpy(&info, p, sizeof(info));
	if (info.version < QREXEC_PROTOCOL_MIN)
		return false;
	t->version = info.version < QREXEC_PROTOCOL_VERSION ? info.version : QREXEC_PROTOCOL_VERSION;
	if (!t->hello_sent) {
		info.version = QREXEC_PROTOCOL_VERSION;
		put_message(t, MSG_HELLO, &info, sizeof(info));
		t->hello_sent = true;
	}
	return true;
}

/* A message whose payload must be there in whole. Bytes consumed, 0 for not yet. */
static size_t take_fixed(struct transfer *t, const struct msg_header *h, const char *p, size_t n)
{
	int32_t code;

	if (n < HEADER + h->len)
		return 0;
	if (h->type == MSG_HELLO) {
		if (!take_hello(t, p + HEADER))
			t->failure = TRANSFER_BROKEN;
	} else if (t->role == TRANSFER_INITIATOR) {
		memcpy(&code, p + HEADER, sizeof(code));
		t->exit_code = code;
		t->ended = true;
	}
	return HEADER + h->len;
}

/* Consumes as much as it can; what is left is an incomplete header or what the local side did not take. */
static size_t consume(struct transfer *t, char *p, size_t n)
{
	size_t used = 0;

	t->sink_blocked = false;
	while (used < n && !t->sink_blocked && !t->ended && !t->failure) {
		struct msg_header h;
		size_t k;

		if (t->left) {
			k = n - used < t->left ? n - used : t->left;
			k = to_sink(t, p + used, k);
			used += k;
			t->left -= (uint32_t)k;
			continue;
		}
		if (n - used < HEADER)
			break;
		/* Data may come right behind the HELLO, before there is a program to take it. */
		if (t->version && !t->attached)
			break;
		memcpy(&h, p + used, HEADER);
		if (!take_header(t, &h)) {
			t->failure = TRANSFER_BROKEN;
			break;
		}
		if (h.type == MSG_HELLO || h.type == MSG_DATA_EXIT_CODE) {
			k = take_fixed(t, &h, p + used, n - used);
			if (!k)
				break;
			used += k;
			continue;
		}
		used += HEADER;
		t->type = h.type;
		t->left = h.len;
		if (!h.len)
			take_eof(t);
	}
	return used;
}

static void consume_stash(struct transfer *t)
{
	t->stash_used += consume(t, t->stash.p + t->stash_used, t->stash.n - t->stash_used);
	if (t->stash_used == t->stash.n) {
		strbuf_free(&t->stash);
		t->stash_used = 0;
	}
}

/* Whether to read on although the local side is blocked: see the header. */
static bool may_stash(const struct transfer *t)
{
	if (!t->sink_blocked)
		return true;
	return out_pending(t) && t->stash.n - t->stash_used < TRANSFER_STASH_MAX;
}

/* Returns whether something moved. */
static bool pump_in(struct transfer *t)
{
	size_t before = t->stash.n - t->stash_used;
	size_t used;
	int n;

	if (before)
		consume_stash(t);
	if (!t->in_maybe || t->ended || t->failure || !may_stash(t) || (t->version && !t->attached))
		return t->stash.n - t->stash_used != before;
	n = t->peer_gone && libvchan_data_ready(t->vchan) <= 0 ? -1 : libvchan_read(t->vchan, in_buffer, sizeof(in_buffer));
	if (n < 0)
		t->peer_gone = true;
	buffers_used |= n > PAGE;
	/* Only an empty read says that the next bytes come with an event: behind a short one may be the end. */
	if (n <= 0)
		t->in_maybe = false;
	if (n <= 0)
		return t->stash.n - t->stash_used != before;
	if (t->stash.n) {
		if (t->stash_used) {
			memmove(t->stash.p, t->stash.p + t->stash_used, t->stash.n - t->stash_used);
			t->stash.n -= t->stash_used;
			t->stash_used = 0;
		}
		strbuf_add(&t->stash, in_buffer, (size_t)n);
		if (!t->sink_blocked)
			consume_stash(t);
		return true;
	}
	used = consume(t, in_buffer, (size_t)n);
	if (used < (size_t)n)
		strbuf_add(&t->stash, in_buffer + used, (size_t)n - used);
	return true;
}

static bool is_ready(const struct pollfd *p, unsigned n, int fd, short events)
{
	for (unsigned i = 1; i < n; i++)
		if (p[i].fd == fd && (p[i].events & events) && p[i].revents)
			return true;
	return false;
}

static void pump_out(struct transfer *t, bool *out_ready, bool *err_ready)
{
	flush(t);
	if (!t->attached || !t->version)
		return;
	if (*out_ready && t->out_fd >= 0 && !out_pending(t))
		pump_source(t, &t->out_fd, t->role == TRANSFER_SERVICE ? MSG_DATA_STDOUT : MSG_DATA_STDIN, &t->out_eof_sent);
	if (*err_ready && t->err_fd >= 0 && !out_pending(t))
		pump_source(t, &t->err_fd, MSG_DATA_STDERR, &t->err_eof_sent);
	/* Sources may be blocking descriptors: one read for each time poll() reported them. */
	*out_ready = *err_ready = false;
	if (!t->peer_gone)
		send_eofs(t);
}

enum transfer_state transfer_step(struct transfer *t, const struct pollfd *p, unsigned n)
{
	bool out_ready = is_ready(p, n, t->out_fd, POLLIN);
	bool err_ready = t->role == TRANSFER_SERVICE && is_ready(p, n, t->err_fd, POLLIN);
	bool event = n && p[0].revents;
	bool moved = true, moved_any = false;

	t->busy = false;
	if (t->connecting_fd >= 0 && is_ready(p, n, t->connecting_fd, POLLOUT))
		finish_connecting(t);
	if (event) {
		libvchan_wait(t->vchan);
		t->in_maybe = true;
	}
	if (!t->connected) {
		if (libvchan_is_open(t->vchan) == VCHAN_WAITING)
			return TRANSFER_RUNNING;
		t->connected = t->in_maybe = true;
	}
	for (int i = 0; i < TURN && moved && !t->ended && !t->failure; i++) {
		moved = pump_in(t);
		moved_any |= moved;
		pump_out(t, &out_ready, &err_ready);
	}
	if (t->failure)
		return t->failure;
	if (t->ended || (t->exit_sent && !out_pending(t)))
		return TRANSFER_DONE;
	/* A caller that is gone wants nothing any more, and is noticed also while its service does not read. */
	if (t->role == TRANSFER_SERVICE &&
	    (t->peer_gone || (event && (!moved_any || t->sink_blocked) && libvchan_is_open(t->vchan) == VCHAN_DISCONNECTED)))
		return TRANSFER_LOST;
	/* A service's last words are still read: the end may have been noticed by writing. */
	if (t->peer_gone && !moved && !t->in_maybe && !t->sink_blocked)
		return TRANSFER_LOST;
	t->busy = moved || (t->peer_gone && t->in_maybe && !t->sink_blocked);
	return TRANSFER_RUNNING;
}
