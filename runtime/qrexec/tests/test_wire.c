/*
 * Promise: the real agent and daemon serve those of older versions, and refuse those that nothing can be agreed on with. A call
 * for which there is no channel yet waits for one.
 */
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "common/sys/socket.h"
#include "common/tests/test.h"
#include "runtime/qrexec/protocol.h"
#include "runtime/qrexec/tests/peer.h"

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
	if (!CHECK(v && peer_greets(v)))
		return;
	peer_say_version(v, version);
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
	_cleanup_close_ int fd = peer_connect(path);
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
	peer_domain(7);
	pid = peer_start("qrexec-agent", arguments);
	peer_domain(0);
	for (uint32_t version = 2; version <= QREXEC_PROTOCOL_VERSION + 1; version++) {
		libvchan_t *v = libvchan_client_init(7, QREXEC_CONTROL_PORT);

		if (!CHECK(v && peer_greets(v)))
			break;
		peer_say_version(v, version);
		check_call(v, version);
		if (version <= QREXEC_PROTOCOL_VERSION)
			check_trigger(v, dir, version);
		libvchan_close(v);
	}
	/* Of before the negotiation: refused. */
	libvchan_t *v = libvchan_client_init(7, QREXEC_CONTROL_PORT);
	CHECK(v && peer_greets(v));
	peer_say_version(v, 1);
	CHECK(peer_left(v));
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
	peer_domain(0);
	pid = peer_start("qrexec-daemon", arguments);
	peer_domain(7);
	for (uint32_t version = 2; version <= QREXEC_PROTOCOL_VERSION + 1; version++) {
		libvchan_t *v = libvchan_server_init(0, QREXEC_CONTROL_PORT, 4096, 4096);
		struct {
			struct msg_header h;
			struct peer_info info;
		} hello = {0};

		peer_say_version(v, version);
		CHECK_INT(libvchan_recv(v, &hello, sizeof(hello)), sizeof(hello));
		CHECK_INT(hello.h.type, MSG_HELLO);
		CHECK_INT(hello.info.version, version);
		libvchan_close(v);
	}
	/* Of before the negotiation: nothing that would ever work, so the daemon ends. */
	libvchan_t *v = libvchan_server_init(0, QREXEC_CONTROL_PORT, 4096, 4096);
	peer_say_version(v, 1);
	/* What was written before the daemon came goes out when it is accepted, which is while something is waited for. */
	CHECK_INT(libvchan_recv(v, &end, 1), -1);
	libvchan_close(v);
	CHECK(process_wait(pid) > 0);
}

struct question {
	struct msg_header h;
	struct exec_params where;
	char command[4];
} __attribute__((packed));

static const struct question question = {{MSG_EXEC_CMDLINE, sizeof(question) - sizeof(struct msg_header)}, {0, 0}, "u:c"};

/* A program of dom0 that asks the daemon for a call. */
static int ask(const char *path)
{
	const struct {
		struct msg_header h;
		struct peer_info info;
		struct question q;
	} __attribute__((packed)) all = {{MSG_HELLO, sizeof(all.info)}, {QREXEC_SOCKET_VERSION}, question};
	int fd = peer_connect(path);

	CHECK_INT(send(fd, &all, sizeof(all), MSG_NOSIGNAL), sizeof(all));
	return fd;
}

/* The port that the daemon tells the agent, or 0. */
static uint32_t told(libvchan_t *control)
{
	struct question q = {0};

	return libvchan_recv(control, &q, sizeof(q)) == (int)sizeof(q) && q.h.type == MSG_EXEC_CMDLINE ? q.where.connect_port : 0;
}

static uint32_t answered(int fd)
{
	struct {
		struct msg_header h;
		struct peer_info info;
		struct msg_header exec;
		struct exec_params where;
	} __attribute__((packed)) all = {0};

	return read_full(fd, &all, sizeof(all)) == 0 && all.where.connect_domain == 7 ? all.where.connect_port : 0;
}

static void say_end(libvchan_t *control, uint32_t port)
{
	const struct {
		struct msg_header h;
		struct exec_params where;
	} end = {{MSG_CONNECTION_TERMINATED, sizeof(end.where)}, {0, port}};

	CHECK_INT(libvchan_send(control, &end, sizeof(end)), sizeof(end));
}

TEST(daemon_keeps_callers_waiting)
{
	const char *dir = test_dir();
	_cleanup_free_ char *dir_option = xasprintf("--socket-dir=%s", dir);
	_cleanup_free_ char *path = xasprintf("%s/qrexec.7", dir);
	const char *const arguments[] = {"--direct", dir_option, "--", "7", "vm", NULL};
	int calls[QREXEC_DATA_PORTS], leaves, waits, waits_too;
	libvchan_t *v;
	pid_t pid;

	setenv("VCHAN_SOCKET_DIR", dir, 1);
	peer_domain(0);
	pid = peer_start("qrexec-daemon", arguments);
	peer_domain(7);
	v = libvchan_server_init(0, QREXEC_CONTROL_PORT, 4096, 4096);
	peer_say_version(v, QREXEC_PROTOCOL_VERSION);
	CHECK(peer_greets(v));
	for (uint32_t i = 0; i < QREXEC_DATA_PORTS; i++) {
		calls[i] = ask(path);
		CHECK_INT(told(v), DATA_PORT + i);
		CHECK_INT(answered(calls[i]), DATA_PORT + i);
	}
	leaves = ask(path);
	waits = ask(path);
	waits_too = ask(path);
	close(leaves);
	say_end(v, DATA_PORT + 99);
	CHECK_INT(told(v), DATA_PORT + 99);
	CHECK_INT(answered(waits), DATA_PORT + 99);
	CHECK(peer_closes(calls[99]));
	say_end(v, DATA_PORT);
	CHECK_INT(told(v), DATA_PORT);
	CHECK_INT(answered(waits_too), DATA_PORT);
	for (uint32_t i = 0; i < QREXEC_DATA_PORTS; i++)
		close(calls[i]);
	close(waits);
	close(waits_too);
	libvchan_close(v);
	kill(pid, SIGTERM);
	CHECK_INT(process_wait(pid), 0);
}

struct trigger_message {
	struct msg_header h;
	struct trigger_service_params4 params;
	char service[7];
} __attribute__((packed));

static void trigger(libvchan_t *control, const char *ident)
{
	struct trigger_message m = {{MSG_TRIGGER_SERVICE4, sizeof(m) - sizeof(m.h)}, {"", "work", {""}}, "test.A"};

	memcpy(m.params.request_id.ident, ident, strlen(ident));
	CHECK_INT(libvchan_send(control, &m, sizeof(m)), sizeof(m));
}

static bool refused(libvchan_t *control, const char *ident)
{
	struct {
		struct msg_header h;
		struct service_params params;
	} m = {0};

	return libvchan_recv(control, &m, sizeof(m)) == (int)sizeof(m) && m.h.type == MSG_SERVICE_REFUSED &&
	       strcmp(m.params.ident, ident) == 0;
}

/* A daemon whose agent is the test; what it prints goes to `log`, unless that is -1. */
static pid_t start_daemon(const char *dir, int log, libvchan_t **control)
{
	const char *build = getenv("BUILD");
	_cleanup_free_ char *program = xasprintf("%s/socket/bin/qrexec-daemon", build ? build : "build");
	_cleanup_free_ char *dir_option = xasprintf("--socket-dir=%s", dir);
	const char *const argv[] = {program, "--direct", dir_option, "--policy-program=/nonexistent", "--", "7", "vm", NULL};
	pid_t pid;

	setenv("VCHAN_SOCKET_DIR", dir, 1);
	peer_domain(0);
	pid = process_spawn(&(struct process){.argv = argv, .null_stdin = 1, .stderr_fd = log < 0 ? 0 : log});
	peer_domain(7);
	*control = libvchan_server_init(0, QREXEC_CONTROL_PORT, 4096, 4096);
	peer_say_version(*control, QREXEC_PROTOCOL_VERSION);
	CHECK(peer_greets(*control));
	return pid;
}

static void stop_daemon(pid_t pid, libvchan_t *control)
{
	libvchan_close(control);
	kill(pid, SIGTERM);
	CHECK_INT(process_wait(pid), 0);
}

/* Agents of Qubes give an ident again when its caller has gone, which nobody tells the daemon. */
TEST(daemon_takes_an_ident_again)
{
	const char *dir = test_dir();
	_cleanup_free_ char *path = xasprintf("%s/policy.sock", dir);
	_cleanup_close_ int policy = socket_listen(path, 0600, 0, 4), first = -1, second = -1;
	libvchan_t *control;
	pid_t pid = start_daemon(dir, -1, &control);

	trigger(control, "SOCKET9");
	first = accept4(policy, NULL, NULL, SOCK_CLOEXEC);
	trigger(control, "SOCKET9");
	second = accept4(policy, NULL, NULL, SOCK_CLOEXEC);
	/* The first question is taken back. */
	CHECK(peer_closes(first));
	CHECK_INT(socket_send_all(second, "result=deny\n", 12), 0);
	shutdown(second, SHUT_WR);
	CHECK(refused(control, "SOCKET9"));
	trigger(control, "SOCKET10");
	close(accept4(policy, NULL, NULL, SOCK_CLOEXEC));
	CHECK(refused(control, "SOCKET10"));
	stop_daemon(pid, control);
}

TEST(daemon_writes_a_short_log)
{
	const char *dir = test_dir();
	_cleanup_free_ char *path = xasprintf("%s/log", dir);
	_cleanup_close_ int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	_cleanup_strbuf_ struct strbuf text = {0};
	libvchan_t *control;
	pid_t pid = start_daemon(dir, log, &control);
	unsigned lines = 0;

	for (int i = 0; i < 500; i++) {
		trigger(control, "a,b");
		CHECK(refused(control, "a,b"));
	}
	stop_daemon(pid, control);
	CHECK_INT(read_file(AT_FDCWD, path, 1 << 20, &text), 0);
	for (size_t i = 0; i < text.n; i++)
		lines += text.p[i] == '\n';
	CHECK(lines >= 100 && lines < 120);
}

/* Forty callers died before they opened their channels; the next one is served all the same. */
TEST(agent_passes_turns_on)
{
	const char *dir = test_dir();
	_cleanup_free_ char *socket_option = xasprintf("--agent-socket=%s/agent", dir);
	const char *const arguments[] = {socket_option, "--no-fork-server", NULL};
	struct question q = question;
	libvchan_t *control, *v;
	pid_t pid;

	setenv("VCHAN_SOCKET_DIR", dir, 1);
	peer_domain(7);
	pid = peer_start("qrexec-agent", arguments);
	peer_domain(0);
	control = libvchan_client_init(7, QREXEC_CONTROL_PORT);
	CHECK(control && peer_greets(control));
	peer_say_version(control, QREXEC_PROTOCOL_VERSION);
	for (uint32_t i = 0; i <= 40; i++) {
		q.where.connect_port = DATA_PORT + i;
		CHECK_INT(libvchan_send(control, &q, sizeof(q)), sizeof(q));
	}
	v = libvchan_server_init(7, DATA_PORT + 40, 65536, 65536);
	CHECK(peer_greets(v));
	libvchan_close(v);
	libvchan_close(control);
	kill(pid, SIGTERM);
	CHECK_INT(process_wait(pid), 0);
}
