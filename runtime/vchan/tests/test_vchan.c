/*
 * What every user of a vchan relies on: edges wake the waiting side, nothing written is lost when the writer closes, a client
 * may come before its server, a server may write before its client.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/tests/test.h"
#include "runtime/vchan/libvchan.h"

static void use_dir(void)
{
	setenv("VCHAN_SOCKET_DIR", test_dir(), 1);
	setenv("VCHAN_DOMAIN", "7", 1);
}

static bool readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

/* Both ends of channel `port` between domain 7 and itself: the socket backend allows it. */
static void pair(int port, libvchan_t **server, libvchan_t **client)
{
	use_dir();
	*server = libvchan_server_init(7, port, 4096, 4096);
	*client = libvchan_client_init(7, port);
	CHECK(*server && *client);
	CHECK_INT(libvchan_wait(*server), 0);
	CHECK_INT(libvchan_is_open(*server), VCHAN_CONNECTED);
}

TEST(early_write_and_close)
{
	libvchan_t *s, *c;
	char buf[16] = "";

	use_dir();
	s = libvchan_server_init(7, 1, 64, 64);
	if (!CHECK(s != NULL))
		return;
	CHECK_INT(libvchan_is_open(s), VCHAN_WAITING);
	CHECK_INT(libvchan_send(s, "hello", 5), 5);
	CHECK_INT(libvchan_buffer_space(s), 59);
	CHECK(!readable(libvchan_fd_for_select(s), 0));
	c = libvchan_client_init(7, 1);
	CHECK(readable(libvchan_fd_for_select(s), 1000));
	CHECK_INT(libvchan_wait(s), 0);
	CHECK_INT(libvchan_is_open(s), VCHAN_CONNECTED);
	libvchan_close(s);
	CHECK_INT(libvchan_is_open(c), VCHAN_DISCONNECTED);
	CHECK_INT(libvchan_data_ready(c), 5);
	CHECK_INT(libvchan_recv(c, buf, 5), 5);
	CHECK_STR(buf, "hello");
	CHECK_INT(libvchan_read(c, buf, 5), -1);
	CHECK_INT(libvchan_write(c, buf, 5), -1);
	libvchan_close(c);
}

/* What an event loop does when another handler of the same turn has already read the data. */
TEST(wait_after_the_data_was_taken)
{
	libvchan_t *s, *c;
	char buf[16];

	pair(9, &s, &c);
	libvchan_set_blocking(s, 0);
	CHECK_INT(libvchan_send(c, "hello", 5), 5);
	CHECK(readable(libvchan_fd_for_select(s), 1000));
	CHECK_INT(libvchan_read(s, buf, sizeof(buf)), 5);
	alarm(5);
	CHECK_INT(libvchan_wait(s), 0);
	alarm(0);
	CHECK_INT(libvchan_is_open(s), VCHAN_CONNECTED);
	CHECK_INT(libvchan_send(c, "again", 5), 5);
	CHECK(readable(libvchan_fd_for_select(s), 1000));
	CHECK_INT(libvchan_wait(s), 0);
	CHECK_INT(libvchan_read(s, buf, sizeof(buf)), 5);
	libvchan_close(s);
	libvchan_close(c);
}

TEST(client_first)
{
	libvchan_t *s, *c;
	EVTCHN fd;

	use_dir();
	c = libvchan_client_init_async(7, 2, &fd);
	CHECK(c && libvchan_client_init_async_finish(c, false) > 0);
	CHECK(!readable(fd, 0));
	s = libvchan_server_init(7, 2, 4096, 4096);
	CHECK(s && readable(fd, 1000));
	CHECK_INT(libvchan_client_init_async_finish(c, false), 0);
	CHECK_INT(libvchan_wait(s), 0);
	CHECK_INT(libvchan_is_open(c), VCHAN_CONNECTED);
	libvchan_close(c);
	CHECK(readable(libvchan_fd_for_select(s), 1000));
	CHECK_INT(libvchan_wait(s), 0);
	CHECK_INT(libvchan_is_open(s), VCHAN_DISCONNECTED);
	CHECK_INT(libvchan_wait(s), -1);
	libvchan_close(s);
}

TEST(server_first_is_announced_at_once)
{
	libvchan_t *s, *c;
	EVTCHN fd;

	use_dir();
	s = libvchan_server_init(7, 3, 4096, 4096);
	c = libvchan_client_init_async(7, 3, &fd);
	CHECK(s && c && readable(fd, 0));
	CHECK_INT(libvchan_client_init_async_finish(c, false), 0);
	CHECK(!readable(libvchan_fd_for_select(c), 0));
	libvchan_close(c);
	libvchan_close(s);
}

TEST(stale_name)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	libvchan_t *s, *c;
	EVTCHN wfd;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	use_dir();
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/vchan.7.7.4.sock", getenv("VCHAN_SOCKET_DIR"));
	CHECK_INT(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd);
	c = libvchan_client_init_async(7, 4, &wfd);
	CHECK(c && libvchan_client_init_async_finish(c, false) > 0);
	s = libvchan_server_init(7, 4, 4096, 4096);
	CHECK(s && readable(wfd, 1000));
	CHECK_INT(libvchan_client_init_async_finish(c, true), 0);
	libvchan_close(c);
	libvchan_close(s);
	CHECK(access(a.sun_path, F_OK) < 0);
}

TEST(room_is_an_edge)
{
	libvchan_t *s, *c;
	static char buf[65536];
	int total = 0, n, space;

	pair(5, &s, &c);
	libvchan_set_blocking(s, 0);
	libvchan_set_blocking(c, 0);
	CHECK_INT(libvchan_read(s, buf, 1), 0);
	CHECK(libvchan_buffer_space(s) >= 65536 + 8);
	while ((n = libvchan_write(s, buf, sizeof(buf))) > 0)
		total += n;
	CHECK_INT(n, 0);
	while (readable(libvchan_fd_for_select(s), 0))
		libvchan_wait(s);
	while ((n = libvchan_read(c, buf, sizeof(buf))) > 0)
		total -= n;
	CHECK_INT(total, 0);
	CHECK(readable(libvchan_fd_for_select(s), 1000));
	CHECK_INT(libvchan_wait(s), 0);
	/* Filling by the announced space only never blocks, and the peer's reading wakes. */
	while ((space = libvchan_buffer_space(s)) > 0)
		CHECK_INT(libvchan_write(s, buf, (size_t)(space > 65536 ? 65536 : space)), space > 65536 ? 65536 : space);
	while (readable(libvchan_fd_for_select(s), 0))
		libvchan_wait(s);
	while (libvchan_read(c, buf, sizeof(buf)) > 0)
		;
	CHECK(readable(libvchan_fd_for_select(s), 1000));
	libvchan_close(c);
	libvchan_close(s);
}

static void *echo(void *arg)
{
	libvchan_t *c = arg;
	static char buf[4096];
	int n;

	while ((n = libvchan_read(c, buf, sizeof(buf))) > 0)
		libvchan_send(c, buf, (size_t)n);
	libvchan_close(c);
	return NULL;
}

TEST(blocking_echo)
{
	libvchan_t *s, *c;
	unsigned char out[512], in[512];
	pthread_t t;

	pair(6, &s, &c);
	pthread_create(&t, NULL, echo, c);
	for (unsigned i = 0; i < 2000; i++) {
		memset(out, (int)i & 0xff, sizeof(out));
		CHECK_INT(libvchan_send(s, out, sizeof(out)), sizeof(out));
		CHECK_INT(libvchan_recv(s, in, sizeof(in)), sizeof(in));
		if (!CHECK(memcmp(in, out, sizeof(in)) == 0))
			break;
	}
	libvchan_close(s);
	pthread_join(t, NULL);
}

TEST(no_directory)
{
	EVTCHN fd;

	setenv("VCHAN_SOCKET_DIR", "/nonexistent/vchan", 1);
	CHECK(!libvchan_server_init(7, 8, 64, 64));
	CHECK(!libvchan_client_init_async(7, 8, &fd));
	CHECK_INT(errno, ENOENT);
}
