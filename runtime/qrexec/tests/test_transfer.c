/*
 * A data channel survives every peer: messages in any pieces, wrong lengths, wrong types, an end at any moment. The peer is
 * played by the test, byte by byte.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/tests/test.h"
#include "runtime/qrexec/channel.h"
#include "runtime/qrexec/protocol.h"
#include "runtime/qrexec/transfer.h"

struct scene {
	libvchan_t *peer;
	struct transfer t;
	int in, out, err; /* the far ends of the transfer's local descriptors */
	enum transfer_state state;
};

static void start(struct scene *s, enum transfer_role role, bool attach)
{
	libvchan_t *v;
	int p[2];

	setenv("VCHAN_SOCKET_DIR", test_dir(), 1);
	setenv("VCHAN_DOMAIN", "7", 1);
	s->peer = libvchan_server_init(7, 513, 65536, 65536);
	v = libvchan_client_init(7, 513);
	libvchan_wait(s->peer);
	libvchan_set_blocking(s->peer, 0);
	transfer_init(&s->t, role, v, true);
	s->in = s->out = s->err = -1;
	s->state = TRANSFER_RUNNING;
	if (!attach)
		return;
	int fds[3];
	for (int i = 0; i < 3; i++) {
		socketpair(AF_UNIX, SOCK_STREAM, 0, p);
		fds[i] = p[0];
		*(i == 0 ? &s->in : i == 1 ? &s->out : &s->err) = p[1];
	}
	transfer_attach(&s->t, fds[0], fds[1], fds[2]);
}

static void run(struct scene *s)
{
	for (int quiet = 0; quiet < 2 && s->state == TRANSFER_RUNNING;) {
		struct pollfd p[TRANSFER_FDS];
		unsigned n = transfer_poll(&s->t, p);

		quiet = poll(p, n, 0) > 0 || transfer_busy(&s->t) ? 0 : quiet + 1;
		s->state = transfer_step(&s->t, p, n);
	}
}

static void stop(struct scene *s)
{
	transfer_free(&s->t);
	libvchan_close(s->peer);
	close(s->in);
	close(s->out);
	close(s->err);
}

static void say(struct scene *s, uint32_t type, uint32_t len, const void *data, size_t n)
{
	struct msg_header h = {type, len};

	libvchan_send(s->peer, &h, sizeof(h));
	if (n)
		libvchan_send(s->peer, data, n);
}

static void greet(struct scene *s, uint32_t version)
{
	say(s, MSG_HELLO, 4, &version, 4);
	run(s);
}

/* The next message of the transfer must be this one. */
static void expect(struct scene *s, uint32_t type, const void *data, size_t n)
{
	struct msg_header h = {0};
	char buf[256];

	run(s);
	CHECK_INT(libvchan_recv(s->peer, &h, sizeof(h)), sizeof(h));
	CHECK_INT(h.type, type);
	if (!CHECK_INT(h.len, n) || n > sizeof(buf))
		return;
	if (n) {
		CHECK_INT(libvchan_recv(s->peer, buf, n), n);
		CHECK(memcmp(buf, data, n) == 0);
	}
}

static const uint32_t four = QREXEC_PROTOCOL_VERSION;

TEST(a_service_call)
{
	struct scene s;
	char buf[16] = "";
	int32_t code = 3;

	start(&s, TRANSFER_SERVICE, true);
	expect(&s, MSG_HELLO, &four, 4);
	greet(&s, 4);
	say(&s, MSG_DATA_STDIN, 5, "hello", 5);
	say(&s, MSG_DATA_STDIN, 0, NULL, 0);
	run(&s);
	CHECK_INT(read(s.in, buf, sizeof(buf)), 5);
	CHECK_STR(buf, "hello");
	CHECK_INT(read(s.in, buf, sizeof(buf)), 0);
	CHECK_INT(write(s.out, "out", 3), 3);
	expect(&s, MSG_DATA_STDOUT, "out", 3);
	CHECK_INT(write(s.err, "err", 3), 3);
	expect(&s, MSG_DATA_STDERR, "err", 3);
	transfer_exited(&s.t, 3);
	run(&s);
	CHECK_INT(s.state, TRANSFER_RUNNING);
	close(s.out);
	expect(&s, MSG_DATA_STDOUT, NULL, 0);
	close(s.err);
	expect(&s, MSG_DATA_STDERR, NULL, 0);
	expect(&s, MSG_DATA_EXIT_CODE, &code, 4);
	CHECK_INT(s.state, TRANSFER_DONE);
	s.out = s.err = -1;
	stop(&s);
}

TEST(just_exec_and_not_started)
{
	struct scene s;
	int32_t code = 0;

	start(&s, TRANSFER_SERVICE, false);
	expect(&s, MSG_HELLO, &four, 4);
	greet(&s, 4);
	CHECK(transfer_ready(&s.t));
	s.t.no_streams = true;
	transfer_attach(&s.t, -1, -1, -1);
	transfer_exited(&s.t, 0);
	expect(&s, MSG_DATA_EXIT_CODE, &code, 4);
	CHECK_INT(s.state, TRANSFER_DONE);
	stop(&s);

	start(&s, TRANSFER_SERVICE, false);
	expect(&s, MSG_HELLO, &four, 4);
	greet(&s, 4);
	transfer_attach(&s.t, -1, -1, -1);
	transfer_exited(&s.t, code = 127);
	expect(&s, MSG_DATA_STDOUT, NULL, 0);
	expect(&s, MSG_DATA_STDERR, NULL, 0);
	expect(&s, MSG_DATA_EXIT_CODE, &code, 4);
	stop(&s);
}

TEST(pieces)
{
	const char *bytes = "\x00\x03\x00\x00\x04\x00\x00\x00\x04\x00\x00\x00"
			    "\x90\x01\x00\x00\x03\x00\x00\x00" "abc"
			    "\x90\x01\x00\x00\x02\x00\x00\x00" "de"
			    "\x90\x01\x00\x00\x00\x00\x00\x00";
	struct scene s;
	char buf[16] = "";

	start(&s, TRANSFER_SERVICE, true);
	for (size_t i = 0; i < 12 + 11 + 10 + 8; i++) {
		libvchan_send(s.peer, bytes + i, 1);
		run(&s);
	}
	CHECK_INT(s.state, TRANSFER_RUNNING);
	CHECK_INT(read(s.in, buf, sizeof(buf)), 5);
	CHECK_STR(buf, "abcde");
	CHECK_INT(read(s.in, buf, sizeof(buf)), 0);
	stop(&s);
}

static enum transfer_state after(enum transfer_role role, uint32_t version, uint32_t type, uint32_t len)
{
	static const char zeros[64];
	struct scene s;

	start(&s, role, true);
	greet(&s, version);
	say(&s, type, len, zeros, len < sizeof(zeros) ? len : sizeof(zeros));
	run(&s);
	stop(&s);
	return s.state;
}

TEST(bad_messages)
{
	CHECK_INT(after(TRANSFER_SERVICE, 1, MSG_DATA_STDIN, 0), TRANSFER_BROKEN);
	CHECK_INT(after(TRANSFER_SERVICE, 4, 0x999, 0), TRANSFER_BROKEN);
	CHECK_INT(after(TRANSFER_SERVICE, 4, MSG_DATA_STDIN, 65537), TRANSFER_BROKEN);
	CHECK_INT(after(TRANSFER_SERVICE, 4, MSG_DATA_STDIN, UINT32_MAX), TRANSFER_BROKEN);
	CHECK_INT(after(TRANSFER_SERVICE, 4, MSG_DATA_STDIN, 65536), TRANSFER_RUNNING);
	CHECK_INT(after(TRANSFER_SERVICE, 2, MSG_DATA_STDIN, 4096), TRANSFER_RUNNING);
	CHECK_INT(after(TRANSFER_SERVICE, 2, MSG_DATA_STDIN, 4097), TRANSFER_BROKEN);
	CHECK_INT(after(TRANSFER_SERVICE, 3, MSG_DATA_STDIN, 65537), TRANSFER_BROKEN);
	CHECK_INT(after(TRANSFER_INITIATOR, 4, MSG_DATA_STDOUT, 65537), TRANSFER_BROKEN);
	CHECK_INT(after(TRANSFER_INITIATOR, 4, MSG_DATA_STDERR, 65537), TRANSFER_BROKEN);
	CHECK_INT(after(TRANSFER_SERVICE, 3, MSG_DATA_STDIN, 4097), TRANSFER_RUNNING);
	CHECK_INT(after(TRANSFER_SERVICE, 9, MSG_DATA_STDIN, 8), TRANSFER_RUNNING);
	CHECK_INT(after(TRANSFER_SERVICE, 4, MSG_HELLO, 4), TRANSFER_BROKEN);
	CHECK_INT(after(TRANSFER_SERVICE, 4, MSG_DATA_STDOUT, 8), TRANSFER_RUNNING);
	CHECK_INT(after(TRANSFER_SERVICE, 4, MSG_DATA_EXIT_CODE, 4), TRANSFER_RUNNING);
	CHECK_INT(after(TRANSFER_INITIATOR, 4, MSG_DATA_EXIT_CODE, 4), TRANSFER_DONE);
	CHECK_INT(after(TRANSFER_INITIATOR, 4, MSG_DATA_EXIT_CODE, 8), TRANSFER_BROKEN);
	CHECK_INT(after(TRANSFER_INITIATOR, 4, MSG_DATA_STDIN, 8), TRANSFER_RUNNING);
	CHECK_INT(after(TRANSFER_INITIATOR, 4, MSG_EXEC_CMDLINE, 8), TRANSFER_BROKEN);
}

TEST(first_message_is_a_greeting)
{
	struct scene s;

	start(&s, TRANSFER_SERVICE, true);
	say(&s, MSG_DATA_STDIN, 0, NULL, 0);
	run(&s);
	CHECK_INT(s.state, TRANSFER_BROKEN);
	stop(&s);
}

TEST(peer_that_leaves)
{
	struct scene s;

	start(&s, TRANSFER_SERVICE, true);
	greet(&s, 4);
	libvchan_close(s.peer);
	s.peer = NULL;
	run(&s);
	CHECK_INT(s.state, TRANSFER_LOST);
	stop(&s);
}

TEST(last_words_are_heard)
{
	struct scene s;
	char buf[16] = "";
	int32_t code = 5;

	start(&s, TRANSFER_INITIATOR, true);
	greet(&s, 4);
	say(&s, MSG_DATA_STDOUT, 3, "end", 3);
	say(&s, MSG_DATA_EXIT_CODE, 4, &code, 4);
	say(&s, MSG_DATA_STDOUT, 4, "more", 4);
	libvchan_close(s.peer);
	s.peer = NULL;
	run(&s);
	CHECK_INT(s.state, TRANSFER_DONE);
	CHECK_INT(s.t.exit_code, 5);
	CHECK_INT(read(s.in, buf, sizeof(buf)), 3);
	CHECK_STR(buf, "end");
	stop(&s);

	start(&s, TRANSFER_INITIATOR, true);
	greet(&s, 4);
	say(&s, MSG_DATA_STDOUT, 3, "end", 3);
	libvchan_close(s.peer);
	s.peer = NULL;
	run(&s);
	CHECK_INT(s.state, TRANSFER_LOST);
	CHECK_INT(read(s.in, buf, sizeof(buf)), 3);
	stop(&s);
}

TEST(unread_output_of_a_caller_waits)
{
	struct scene s;
	static char block[65536];
	struct msg_header h = {MSG_DATA_STDIN, sizeof(block)};
	size_t sent = 0, got = 0;
	ssize_t n;

	start(&s, TRANSFER_SERVICE, true);
	greet(&s, 4);
	fcntl(s.in, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 64 && libvchan_send(s.peer, &h, sizeof(h)) > 0; i++) {
		while (libvchan_send(s.peer, block, sizeof(block)) == 0 && got < 1)
			got++;
		sent++;
		run(&s);
	}
	/* The service reads nothing: what is held here stays small. */
	CHECK(s.t.stash.n - s.t.stash_used < 4 * sizeof(block));
	got = 0;
	for (int i = 0; i < 1000; i++) {
		while ((n = read(s.in, block, sizeof(block))) > 0)
			got += (size_t)n;
		run(&s);
	}
	CHECK(got > 0 && sent > 0);
	CHECK_INT(s.state, TRANSFER_RUNNING);
	stop(&s);
}

/* A TCP socket of this machine; `listens`: with somebody at the other end. */
static int connecting_socket(bool listens, int *listener)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	*listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_INT(bind(*listener, (struct sockaddr *)&a, sizeof(a)), 0);
	CHECK_INT(getsockname(*listener, (struct sockaddr *)&a, &n), 0);
	if (listens)
		CHECK_INT(listen(*listener, 1), 0);
	CHECK(connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 || errno == EINPROGRESS);
	return fd;
}

/* What the caller says, and that it has said all, waits for the connection and goes behind what the service gets first. */
TEST(a_service_behind_a_connection)
{
	struct scene s;
	char buf[16] = "";
	int32_t code = 0;
	int listener, fd;

	start(&s, TRANSFER_SERVICE, false);
	expect(&s, MSG_HELLO, &four, 4);
	greet(&s, 4);
	CHECK(transfer_wants_program(&s.t));
	say(&s, MSG_DATA_STDIN, 5, "hello", 5);
	say(&s, MSG_DATA_STDIN, 0, NULL, 0);
	run(&s);
	transfer_feed(&s.t, "first", 6, false);
	transfer_connect(&s.t, connecting_socket(true, &listener), 125);
	transfer_exited(&s.t, 0);
	CHECK(!transfer_wants_program(&s.t));
	fd = accept(listener, NULL, NULL);
	run(&s);
	CHECK_INT(recv(fd, buf, 11, MSG_WAITALL), 11);
	CHECK(memcmp(buf, "first\0hello", 11) == 0);
	CHECK_INT(read(fd, buf, sizeof(buf)), 0);
	CHECK_INT(write(fd, "out", 3), 3);
	close(fd);
	expect(&s, MSG_DATA_STDERR, NULL, 0);
	expect(&s, MSG_DATA_STDOUT, "out", 3);
	expect(&s, MSG_DATA_STDOUT, NULL, 0);
	expect(&s, MSG_DATA_EXIT_CODE, &code, 4);
	close(listener);
	stop(&s);

	start(&s, TRANSFER_SERVICE, false);
	expect(&s, MSG_HELLO, &four, 4);
	greet(&s, 4);
	transfer_connect(&s.t, connecting_socket(false, &listener), code = 125);
	transfer_exited(&s.t, 0);
	expect(&s, MSG_DATA_STDOUT, NULL, 0);
	expect(&s, MSG_DATA_STDERR, NULL, 0);
	expect(&s, MSG_DATA_EXIT_CODE, &code, 4);
	close(listener);
	stop(&s);
}

/* A peer that always leaves something unread: what is held for it is that, and not all that it ever got. */
TEST(what_a_channel_holds)
{
	static char block[4096];
	struct channel c;
	int p[2];

	CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
	channel_init_fd(&c, p[0]);
	while (c.out.n - c.out_sent < 1 << 20)
		CHECK_INT(channel_send(&c, MSG_EXEC_CMDLINE, block, sizeof(block), NULL, 0), 0);
	for (int i = 0; i < 2000; i++) {
		CHECK(read(p[1], block, sizeof(block)) > 0);
		CHECK_INT(channel_send(&c, MSG_EXEC_CMDLINE, block, sizeof(block), NULL, 0), 0);
	}
	CHECK(channel_pending(&c));
	CHECK(c.out.n < 3 << 20);
	channel_free(&c);
	close(p[0]);
	close(p[1]);
}
