/*
 * The real agent and daemon, each faced with a peer that sends what it must not: they drop that peer, serve the next one, and
 * hold no descriptor of the last.
 */
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/process.h"
#include "common/tests/test.h"
#include "runtime/qrexec/protocol.h"
#include "runtime/vchan/libvchan.h"

struct bad {
	const char *what;
	uint32_t type, len;
	unsigned payload; /* bytes of it that are really sent */
};

static const struct bad bad_messages[] = {
	{"unknown type", 0x9999, 0, 0},
	{"a data message", MSG_DATA_STDIN, 4, 4},
	{"a second greeting", MSG_HELLO, 4, 4},
	{"exec without a command", MSG_EXEC_CMDLINE, 8, 8},
	{"exec too short", MSG_EXEC_CMDLINE, 7, 7},
	{"exec of 4 GiB", MSG_EXEC_CMDLINE, UINT32_MAX, 64},
	{"exec without NUL", MSG_EXEC_CMDLINE, 12, 12},
	{"connect too long", MSG_SERVICE_CONNECT, 41, 41},
	{"refused too short", MSG_SERVICE_REFUSED, 31, 31},
};

static pid_t start(const char *program, const char *domain, const char *const *arguments)
{
	const char *build = getenv("BUILD");
	_cleanup_free_ char *path = xasprintf("%s/socket/bin/%s", build ? build : "build", program);
	const char *argv[8] = {path};
	struct process p = {.argv = argv, .null_stdin = 1};

	for (unsigned i = 0; arguments[i] && i < 6; i++)
		argv[i + 1] = arguments[i];
	setenv("VCHAN_DOMAIN", domain, 1);
	return process_spawn(&p);
}

static unsigned descriptors(pid_t pid)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/fd", pid);
	_cleanup_closedir_ DIR *d = opendir(path);
	unsigned n = 0;

	while (d && readdir(d))
		n++;
	return n;
}

static void send_bad(libvchan_t *v, const struct bad *b)
{
	struct msg_header h = {b->type, b->len};
	char payload[64];

	memset(payload, 'x', sizeof(payload));
	libvchan_send(v, &h, sizeof(h));
	if (b->payload)
		libvchan_send(v, payload, b->payload);
}

/* Waits until the peer has gone, 3 s at most. */
static bool left(libvchan_t *v)
{
	char buf[256];

	libvchan_set_blocking(v, 0);
	for (int i = 0; i < 300; i++) {
		struct pollfd p = {.fd = libvchan_fd_for_select(v), .events = POLLIN};

		if (libvchan_read(v, buf, sizeof(buf)) < 0)
			return true;
		if (poll(&p, 1, 10) > 0)
			libvchan_wait(v);
	}
	return false;
}

static bool greets(libvchan_t *v)
{
	struct {
		struct msg_header h;
		struct peer_info info;
	} hello = {0};

	return libvchan_recv(v, &hello, sizeof(hello)) == (int)sizeof(hello) && hello.h.type == MSG_HELLO &&
	       hello.h.len == 4 && hello.info.version == QREXEC_PROTOCOL_VERSION;
}

static void say_hello(libvchan_t *v)
{
	struct {
		struct msg_header h;
		struct peer_info info;
	} hello = {{MSG_HELLO, 4}, {QREXEC_PROTOCOL_VERSION}};

	libvchan_send(v, &hello, sizeof(hello));
}

TEST(agent_survives_a_bad_daemon)
{
	const char *dir = test_dir();
	_cleanup_free_ char *socket_option = xasprintf("--agent-socket=%s/agent", dir);
	const char *const arguments[] = {socket_option, NULL};
	unsigned before = 0;
	libvchan_t *v;
	pid_t pid;

	setenv("VCHAN_SOCKET_DIR", dir, 1);
	pid = start("qrexec-agent", "7", arguments);
	setenv("VCHAN_DOMAIN", "0", 1);
	for (unsigned i = 0; i < sizeof(bad_messages) / sizeof(*bad_messages); i++) {
		v = libvchan_client_init(7, QREXEC_CONTROL_PORT);
		if (!CHECK(v && greets(v)))
			break;
		if (i == 1)
			before = descriptors(pid);
		say_hello(v);
		send_bad(v, &bad_messages[i]);
		if (!CHECK(left(v)))
			CHECK_STR(bad_messages[i].what, "refused");
		libvchan_close(v);
	}
	/* One that leaves in the middle of a header, and one that never greets. */
	v = libvchan_client_init(7, QREXEC_CONTROL_PORT);
	CHECK(greets(v));
	say_hello(v);
	libvchan_send(v, "\0\2", 2);
	libvchan_close(v);
	v = libvchan_client_init(7, QREXEC_CONTROL_PORT);
	CHECK(v && greets(v));
	CHECK_INT(descriptors(pid), before);
	libvchan_close(v);
	kill(pid, SIGTERM);
	CHECK_INT(process_wait(pid), 0);
}

static int connect_client(const char *dir)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/qrexec.7", dir);
	for (int i = 0; connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0; i++) {
		if (i == 300) {
			close(fd);
			return -1;
		}
		usleep(10000);
	}
	return fd;
}

static bool closes(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char buf[256];
	ssize_t n = 1;

	while (n > 0 && poll(&p, 1, 3000) > 0)
		n = recv(fd, buf, sizeof(buf), 0);
	return n <= 0;
}

static void bad_client(const char *dir, const struct bad *b, bool greet)
{
	struct msg_header h[2] = {{MSG_HELLO, 4}, {b->type, b->len}};
	uint32_t version = QREXEC_SOCKET_VERSION;
	_cleanup_close_ int fd = connect_client(dir);
	char payload[64] = "";

	if (greet) {
		send(fd, &h[0], sizeof(h[0]), MSG_NOSIGNAL);
		send(fd, &version, sizeof(version), MSG_NOSIGNAL);
	}
	/* A second greeting is the first one here, and fine. */
	if (!greet && b->type == MSG_HELLO)
		return;
	memset(payload, 'x', sizeof(payload));
	send(fd, &h[1], sizeof(h[1]), MSG_NOSIGNAL);
	send(fd, payload, b->payload, MSG_NOSIGNAL);
	if (!CHECK(closes(fd)))
		CHECK_STR(b->what, "refused");
}

TEST(daemon_survives_bad_clients_and_agents)
{
	const char *dir = test_dir();
	_cleanup_free_ char *dir_option = xasprintf("--socket-dir=%s", dir);
	const char *const arguments[] = {"--direct", dir_option, "--", "7", "vm", NULL};
	libvchan_t *v;
	pid_t pid;

	setenv("VCHAN_SOCKET_DIR", dir, 1);
	pid = start("qrexec-daemon", "0", arguments);
	setenv("VCHAN_DOMAIN", "7", 1);
	v = libvchan_server_init(0, QREXEC_CONTROL_PORT, 4096, 4096);
	say_hello(v);
	CHECK(greets(v));
	for (unsigned i = 0; i < sizeof(bad_messages) / sizeof(*bad_messages); i++) {
		bad_client(dir, &bad_messages[i], true);
		bad_client(dir, &bad_messages[i], false);
	}
	for (unsigned i = 0; i < sizeof(bad_messages) / sizeof(*bad_messages); i++) {
		send_bad(v, &bad_messages[i]);
		if (!CHECK(left(v)))
			CHECK_STR(bad_messages[i].what, "refused");
		libvchan_close(v);
		v = libvchan_server_init(0, QREXEC_CONTROL_PORT, 4096, 4096);
		say_hello(v);
		if (!CHECK(greets(v)))
			break;
	}
	libvchan_close(v);
	kill(pid, SIGTERM);
	CHECK_INT(process_wait(pid), 0);
}
