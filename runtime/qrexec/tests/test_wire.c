/*
 * The real agent and daemon, each faced with a peer that sends what it must not: they drop that peer, serve the next one, and
 * hold no descriptor of the last.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"
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

static void say_version(libvchan_t *v, uint32_t version)
{
	struct {
		struct msg_header h;
		struct peer_info info;
	} hello = {{MSG_HELLO, 4}, {version}};

	libvchan_send(v, &hello, sizeof(hello));
}

static void say_hello(libvchan_t *v)
{
	say_version(v, QREXEC_PROTOCOL_VERSION);
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

static int connect_to(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
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
	_cleanup_free_ char *path = xasprintf("%s/qrexec.7", dir);
	_cleanup_close_ int fd = connect_to(path);
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

/* --- older peers --- */

enum { OUTPUT = 200000, DATA_PORT = 513 };

/* The command's output in messages of at most `chunk` bytes, then its end; the counts of what came, or -1. */
static long read_output(libvchan_t *v, size_t chunk, size_t *largest, int32_t *code)
{
	static char data[QREXEC_CHUNK];
	struct msg_header h;
	long total = 0;

	while (libvchan_recv(v, &h, sizeof(h)) == (int)sizeof(h) && h.len <= chunk) {
		if (h.len && libvchan_recv(v, data, h.len) != (int)h.len)
			return -1;
		if (h.type == MSG_DATA_EXIT_CODE && h.len == sizeof(*code)) {
			memcpy(code, data, sizeof(*code));
			return total;
		}
		if (h.type == MSG_DATA_STDOUT) {
			total += h.len;
			*largest = h.len > *largest ? h.len : *largest;
		}
	}
	return -1;
}

static void check_call(libvchan_t *control, uint32_t version)
{
	static const struct msg_header no_input = {MSG_DATA_STDIN, 0};
	size_t chunk = version < 3 ? QREXEC_CHUNK_V2 : QREXEC_CHUNK, largest = 0;
	_cleanup_free_ char *line = xasprintf("%s:QUBESRPC test.Output dom0", getpwuid(getuid())->pw_name);
	struct exec_params where = {0, DATA_PORT};
	struct msg_header h = {MSG_EXEC_CMDLINE, (uint32_t)(sizeof(where) + strlen(line) + 1)};
	int32_t code = -1;

	libvchan_send(control, &h, sizeof(h));
	libvchan_send(control, &where, sizeof(where));
	libvchan_send(control, line, strlen(line) + 1);
	libvchan_t *v = libvchan_server_init(7, DATA_PORT, 65536, 65536);
	if (!CHECK(v && greets(v)))
		return;
	say_version(v, version);
	libvchan_send(v, &no_input, sizeof(no_input));
	CHECK_INT(read_output(v, chunk, &largest, &code), OUTPUT);
	CHECK_INT(code, 5);
	CHECK(largest <= chunk);
	libvchan_close(v);
	/* The end of the call is told on the control channel. */
	CHECK_INT(libvchan_recv(control, &h, sizeof(h)), sizeof(h));
	CHECK_INT(h.type, MSG_CONNECTION_TERMINATED);
	CHECK_INT(libvchan_recv(control, &where, sizeof(where)), sizeof(where));
	CHECK_INT(where.connect_port, DATA_PORT);
}

/* A call out of the qube reaches the daemon in the form that its version has. */
static void check_trigger(libvchan_t *control, const char *dir, uint32_t version)
{
	static const struct {
		uint32_t type, len;
		unsigned target_at, service_at;
	} forms[] = {{MSG_TRIGGER_SERVICE, 128, 64, 0},
		     {MSG_TRIGGER_SERVICE3, 96 + 7, 0, 96},
		     {MSG_TRIGGER_SERVICE4, 160 + 7, 64, 160}};
	struct {
		struct msg_header h;
		struct trigger_service_params4 params;
		char service[7];
	} __attribute__((packed)) trigger = {{MSG_TRIGGER_SERVICE4, 160 + 7}, {"", "work", {"SOCKET"}}, "test.A"};
	_cleanup_free_ char *path = xasprintf("%s/agent", dir);
	_cleanup_close_ int fd = connect_to(path);
	struct msg_header h = {0};
	char body[256] = "";
	unsigned form = version - 2;

	CHECK_INT(send(fd, &trigger, sizeof(trigger), MSG_NOSIGNAL), sizeof(trigger));
	CHECK_INT(libvchan_recv(control, &h, sizeof(h)), sizeof(h));
	CHECK_INT(h.type, forms[form].type);
	if (!CHECK_INT(h.len, forms[form].len) || !CHECK_INT(libvchan_recv(control, body, h.len), h.len))
		return;
	CHECK_STR(body + forms[form].target_at, "work");
	CHECK_STR(body + forms[form].service_at, "test.A");
}

/* A service, not a command line: that would read the start-up files of somebody's login shell first, in their time. */
TEST(agent_serves_older_daemons)
{
	static const char service[] = "#!/bin/sh\nhead -c 200000 /dev/zero\nexit 5\n";
	const char *dir = test_dir();
	_cleanup_free_ char *path = xasprintf("%s/test.Output", dir);
	_cleanup_free_ char *socket_option = xasprintf("--agent-socket=%s/agent", dir);
	const char *const arguments[] = {socket_option, "--no-fork-server", NULL};
	pid_t pid;

	setenv("VCHAN_SOCKET_DIR", dir, 1);
	setenv("QREXEC_SERVICE_PATH", dir, 1);
	CHECK_INT(write_file(AT_FDCWD, path, service, sizeof(service) - 1, 0755), 0);
	pid = start("qrexec-agent", "7", arguments);
	setenv("VCHAN_DOMAIN", "0", 1);
	for (uint32_t version = 2; version <= QREXEC_PROTOCOL_VERSION + 1; version++) {
		libvchan_t *v = libvchan_client_init(7, QREXEC_CONTROL_PORT);

		if (!CHECK(v && greets(v)))
			break;
		say_version(v, version);
		check_call(v, version);
		if (version <= QREXEC_PROTOCOL_VERSION)
			check_trigger(v, dir, version);
		libvchan_close(v);
	}
	/* Of before the negotiation: refused. */
	libvchan_t *v = libvchan_client_init(7, QREXEC_CONTROL_PORT);
	CHECK(v && greets(v));
	say_version(v, 1);
	CHECK(left(v));
	libvchan_close(v);
	kill(pid, SIGTERM);
	CHECK_INT(process_wait(pid), 0);
}

/* ref/runtime.md 3.3: the daemon's greeting is what the agent said, whatever it is. */
TEST(daemon_serves_older_agents)
{
	const char *dir = test_dir();
	_cleanup_free_ char *dir_option = xasprintf("--socket-dir=%s", dir);
	const char *const arguments[] = {"--direct", dir_option, "--", "7", "vm", NULL};
	pid_t pid;
	char end;

	setenv("VCHAN_SOCKET_DIR", dir, 1);
	pid = start("qrexec-daemon", "0", arguments);
	setenv("VCHAN_DOMAIN", "7", 1);
	for (uint32_t version = 2; version <= QREXEC_PROTOCOL_VERSION + 1; version++) {
		libvchan_t *v = libvchan_server_init(0, QREXEC_CONTROL_PORT, 4096, 4096);
		struct {
			struct msg_header h;
			struct peer_info info;
		} hello = {0};

		say_version(v, version);
		CHECK_INT(libvchan_recv(v, &hello, sizeof(hello)), sizeof(hello));
		CHECK_INT(hello.h.type, MSG_HELLO);
		CHECK_INT(hello.info.version, version);
		libvchan_close(v);
	}
	/* Of before the negotiation: nothing that would ever work, so the daemon ends. */
	libvchan_t *v = libvchan_server_init(0, QREXEC_CONTROL_PORT, 4096, 4096);
	say_version(v, 1);
	/* What was written before the daemon came goes out when it is accepted, which is while something is waited for. */
	CHECK_INT(libvchan_recv(v, &end, 1), -1);
	libvchan_close(v);
	CHECK(process_wait(pid) > 0);
}
