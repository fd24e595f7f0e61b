/*
 * Promise: whatever a peer sends, the program that faces it ends that connection with a clear exit code, keeps no descriptor and no
 * child of it, and serves the next one. The peers are those of peers.case, which says what its lines mean.
 */
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/blob.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "common/sys/socket.h"
#include "common/tests/test.h"
#include "runtime/qrexec/protocol.h"
#include "runtime/qrexec/tests/peer.h"

#define CASES "runtime/qrexec/tests/peers.case"
#define DATA_PORT 513
#define WAIT_MS 20000

/* The connection of a case: to a program under test. */
struct peer {
	struct blob bytes;
	const char *what, *outcome;
	libvchan_t *v; /* or */
	int fd;
	bool slow;
};

static bool put_once(struct peer *p, const void *data, size_t n)
{
	return p->v ? libvchan_send(p->v, data, n) == (int)n : send(p->fd, data, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static bool put(struct peer *p, const void *data, size_t n)
{
	if (!p->slow)
		return put_once(p, data, n);
	for (size_t i = 0; i < n; i++) {
		if (!put_once(p, (const char *)data + i, 1))
			return false;
		usleep(500);
	}
	return true;
}

static void put_fill(struct peer *p, size_t n, char c)
{
	char buf[4096];

	memset(buf, c, sizeof(buf));
	for (size_t part; n && put(p, buf, part = n < sizeof(buf) ? n : sizeof(buf)); n -= part)
		;
}

static void put_u32(struct peer *p, uint32_t n)
{
	put(p, &n, sizeof(n));
}

static void hang_up(struct peer *p)
{
	if (p->v)
		libvchan_close(p->v);
	if (p->fd >= 0)
		close(p->fd);
	p->v = NULL;
	p->fd = -1;
}

static bool say(struct peer *p, const char *word)
{
	char *end;

	if (!strncmp(word, "msg:", 4)) {
		put_u32(p, (uint32_t)strtoul(word + 4, &end, 16));
		put_u32(p, (uint32_t)strtoul(end + 1, NULL, 10));
	} else if (!strncmp(word, "hello:", 6)) {
		put_u32(p, MSG_HELLO);
		put_u32(p, 4);
		put_u32(p, (uint32_t)strtoul(word + 6, NULL, 10));
	} else if (!strncmp(word, "u32:", 4)) {
		put_u32(p, (uint32_t)strtoul(word + 4, NULL, 10));
	} else if (!strncmp(word, "text:", 5)) {
		put(p, word + 5, strlen(word + 5));
	} else if (!strncmp(word, "nul:", 4)) {
		put_fill(p, strtoul(word + 4, NULL, 10), '\0');
	} else if (!strncmp(word, "fill:", 5)) {
		put_fill(p, strtoul(word + 5, NULL, 10), 'x');
	} else if (!strcmp(word, "endless")) {
		put_fill(p, 64 << 20, 'x');
	} else if (!strcmp(word, "slow")) {
		p->slow = true;
	} else if (!strcmp(word, "end") && p->v) {
		hang_up(p);
	} else if (!strcmp(word, "end")) {
		/* A close with something unread would take back what was said. */
		shutdown(p->fd, SHUT_WR);
	} else {
		return false;
	}
	return true;
}

static void say_all(struct peer *p)
{
	struct blob rest = p->bytes, word;

	while (blob_word(&rest, &word)) {
		_cleanup_free_ char *text = blob_dup(word);

		if (!CHECK(say(p, text)))
			printf("  %s: %s\n", p->what, text);
	}
}

static void failed(const struct peer *p, const char *program)
{
	printf("  %s: %s\n", program, p->what);
}

/* Its exit code, 1000 when it does not end. */
static int exit_code(pid_t pid)
{
	int status;

	for (int i = 0; i < WAIT_MS / 10; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		usleep(10000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return 1000;
}

/* The folder of this test. */
static const char *dir;

static void begin(void)
{
	dir = test_dir();
	setenv("VCHAN_SOCKET_DIR", dir, 1);
	setenv("QREXEC_SERVICE_PATH", dir, 1);
}

typedef void (*run_case)(void *arg, struct peer *p);

/* Each case of this place, and at least one. */
static void each_case(const char *where, run_case run, void *arg)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct blob rest, line, column;
	unsigned n = 0;

	if (!CHECK_INT(read_file(AT_FDCWD, CASES, 1 << 20, &text), 0))
		return;
	rest = strbuf_blob(&text);
	while (blob_token(&rest, '\n', &line)) {
		struct peer p = {.fd = -1};

		if (!line.n || line.p[0] == '#' || !blob_token(&line, '|', &column) || !blob_eq_str(blob_trim(column), where))
			continue;
		blob_token(&line, '|', &column);
		_cleanup_free_ char *what = blob_dup(blob_trim(column));
		blob_token(&line, '|', &column);
		_cleanup_free_ char *outcome = blob_dup(blob_trim(column));
		p.what = what;
		p.outcome = outcome;
		p.bytes = line;
		run(arg, &p);
		hang_up(&p);
		n++;
	}
	CHECK(n > 0);
}

/* --- the clients --- */

struct client_test {
	int listen_fd;
	const char *program;
	const char *const *arguments;
	bool data; /* the peer is on the data channel, which the one on the socket grants */
	int server, own; /* domains: of the program, and ours */
};

static void grant(struct peer *p, const struct client_test *t)
{
	const char *reply = t->server ? "u32:8 u32:513" : "hello:3 msg:200:8 u32:7 u32:513";
	struct peer granting = {.bytes = blob_of(reply), .what = p->what, .fd = p->fd};

	say_all(&granting);
	peer_domain(t->own);
	p->v = libvchan_client_init(t->server, DATA_PORT);
	CHECK(p->v != NULL);
}

static void client_case(void *arg, struct peer *p)
{
	struct client_test *t = arg;
	int socket_fd;
	pid_t pid;

	peer_domain(t->server);
	pid = peer_start(t->program, t->arguments);
	socket_fd = p->fd = poll(&(struct pollfd){t->listen_fd, POLLIN, 0}, 1, WAIT_MS) > 0
				    ? accept4(t->listen_fd, NULL, NULL, SOCK_CLOEXEC)
				    : -1;
	if (!CHECK(p->fd >= 0)) {
		kill(pid, SIGKILL);
		exit_code(pid);
		return;
	}
	if (t->data)
		grant(p, t);
	/* The answer stays open beside the data channel. */
	if (t->data)
		p->fd = -1;
	say_all(p);
	if (!CHECK_INT(exit_code(pid), strtol(p->outcome, NULL, 10)))
		failed(p, t->program);
	if (t->data)
		close(socket_fd);
}

static void test_client(const char *where, struct client_test *t, const char *socket_name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, socket_name);

	t->listen_fd = socket_listen(path, 0600, 0, 4);
	if (CHECK(t->listen_fd >= 0))
		each_case(where, client_case, t);
	close(t->listen_fd);
	unlink(path);
}

static void test_dom0_client(const char *where, bool data)
{
	_cleanup_free_ char *option = xasprintf("--socket-dir=%s", dir);
	const char *const arguments[] = {option, "-d", "vm", "DEFAULT:true", NULL};
	struct client_test t = {.program = "qrexec-client", .arguments = arguments, .data = data, .server = 0, .own = 7};

	test_client(where, &t, "qrexec.vm");
}

TEST(client_faces_a_daemon)
{
	begin();
	test_dom0_client("client.daemon", false);
}

TEST(client_faces_a_qube)
{
	begin();
	test_dom0_client("client.data", true);
}

static void test_vm_client(const char *where, bool data)
{
	_cleanup_free_ char *path = xasprintf("--agent-socket=%s/agent", dir);
	const char *const arguments[] = {path, "vault", "test.Service", NULL};
	struct client_test t = {.program = "qrexec-client-vm", .arguments = arguments, .data = data, .server = 7, .own = 8};

	test_client(where, &t, "agent");
}

TEST(client_vm_faces_an_agent)
{
	begin();
	test_vm_client("vm.agent", false);
}

TEST(client_vm_faces_a_qube)
{
	begin();
	test_vm_client("vm.data", true);
}

/* --- agent and daemon --- */

struct server_test {
	pid_t pid;
	libvchan_t *control;
	unsigned fds;	  /* the fewest that were seen between two cases: it may be slow to close the first connection */
	const char *path; /* of its socket */
};

static bool nothing_left(struct server_test *t)
{
	unsigned now = peer_descriptors(t->pid);

	if (now < t->fds)
		t->fds = now;
	return now == t->fds && !peer_children(t->pid);
}

static void check_nothing_left(struct server_test *t, const struct peer *p, const char *program)
{
	unsigned i;

	for (i = 0; i < WAIT_MS / 10 && !nothing_left(t); i++)
		usleep(10000);
	if (!CHECK(i < WAIT_MS / 10)) {
		printf("  %u descriptors, %u before; %u children\n", peer_descriptors(t->pid), t->fds, peer_children(t->pid));
		failed(p, program);
	}
}

static libvchan_t *greet_agent(uint32_t version)
{
	libvchan_t *v = libvchan_client_init(7, QREXEC_CONTROL_PORT);

	if (CHECK(v && peer_greets(v)) && version)
		peer_say_version(v, version);
	return v;
}

static void start_agent(struct server_test *t, const char *const *arguments)
{
	peer_domain(7);
	t->pid = peer_start("qrexec-agent", arguments);
	peer_domain(0);
}

static void stop(struct server_test *t)
{
	libvchan_close(t->control);
	kill(t->pid, SIGTERM);
	CHECK_INT(exit_code(t->pid), 0);
}

static void control_case(void *arg, struct peer *p)
{
	struct server_test *t = arg;

	/* The one of before has gone: the number of descriptors is that of a new connection. */
	p->v = greet_agent(0);
	if (!t->fds)
		t->fds = peer_descriptors(t->pid);
	check_nothing_left(t, p, "qrexec-agent");
	say_all(p);
	if (p->v && !CHECK(peer_left(p->v)))
		failed(p, "qrexec-agent");
}

TEST(agent_faces_dom0)
{
	begin();
	_cleanup_free_ char *option = xasprintf("--agent-socket=%s/agent", dir);
	const char *const arguments[] = {option, "--no-fork-server", NULL};
	struct server_test t = {0};

	start_agent(&t, arguments);
	each_case("agent.control", control_case, &t);
	t.control = greet_agent(QREXEC_PROTOCOL_VERSION);
	stop(&t);
}

static void data_case(void *arg, struct peer *p)
{
	struct server_test *t = arg;
	_cleanup_free_ char *line = xasprintf("%s:QUBESRPC test.Cat dom0", getpwuid(getuid())->pw_name);
	struct exec_params where = {0, DATA_PORT};
	struct msg_header h = {MSG_EXEC_CMDLINE, (uint32_t)(sizeof(where) + strlen(line) + 1)};

	libvchan_send(t->control, &h, sizeof(h));
	libvchan_send(t->control, &where, sizeof(where));
	libvchan_send(t->control, line, strlen(line) + 1);
	p->v = libvchan_server_init(7, DATA_PORT, QREXEC_DATA_RING, QREXEC_DATA_RING);
	if (!CHECK(p->v && peer_greets(p->v)))
		return;
	say_all(p);
	if (!CHECK(libvchan_recv(t->control, &h, sizeof(h)) == (int)sizeof(h) && h.type == MSG_CONNECTION_TERMINATED) ||
	    !CHECK(libvchan_recv(t->control, &where, sizeof(where)) == (int)sizeof(where) && where.connect_port == DATA_PORT))
		failed(p, "qrexec-agent");
	hang_up(p);
	check_nothing_left(t, p, "qrexec-agent");
}

TEST(agent_faces_callers)
{
	static const char service[] = "#!/bin/sh\nexec cat >/dev/null\n";
	begin();
	_cleanup_free_ char *option = xasprintf("--agent-socket=%s/agent", dir);
	_cleanup_free_ char *path = xasprintf("%s/test.Cat", dir);
	const char *const arguments[] = {option, "--no-fork-server", NULL};
	struct server_test t = {0};

	CHECK_INT(write_file(AT_FDCWD, path, service, sizeof(service) - 1, 0755), 0);
	start_agent(&t, arguments);
	t.control = greet_agent(QREXEC_PROTOCOL_VERSION);
	t.fds = peer_descriptors(t.pid);
	each_case("agent.data", data_case, &t);
	stop(&t);
}

static void socket_case(void *arg, struct peer *p)
{
	struct server_test *t = arg;

	p->fd = peer_connect(t->path);
	if (!CHECK(p->fd >= 0))
		return;
	say_all(p);
	if (p->fd >= 0 && !CHECK(peer_closes(p->fd)))
		failed(p, t->path);
	hang_up(p);
	check_nothing_left(t, p, t->path);
}

TEST(agent_faces_programs)
{
	begin();
	_cleanup_free_ char *path = xasprintf("%s/agent", dir);
	_cleanup_free_ char *option = xasprintf("--agent-socket=%s", path);
	const char *const arguments[] = {option, "--no-fork-server", NULL};
	struct server_test t = {.path = path};

	start_agent(&t, arguments);
	t.control = greet_agent(QREXEC_PROTOCOL_VERSION);
	t.fds = peer_descriptors(t.pid);
	each_case("agent.trigger", socket_case, &t);
	stop(&t);
}

static libvchan_t *greet_daemon(void)
{
	libvchan_t *v = libvchan_server_init(0, QREXEC_CONTROL_PORT, 4096, 4096);

	peer_say_version(v, QREXEC_PROTOCOL_VERSION);
	CHECK(peer_greets(v));
	return v;
}

static void agent_case(void *arg, struct peer *p)
{
	struct server_test *t = arg;

	p->v = greet_daemon();
	/* Its sockets come and go with the agent. */
	close(peer_connect(t->path));
	if (!t->fds)
		t->fds = peer_descriptors(t->pid);
	check_nothing_left(t, p, "qrexec-daemon");
	say_all(p);
	if (p->v && !CHECK(peer_left(p->v)))
		failed(p, "qrexec-daemon");
}

static void test_daemon(const char *where, run_case run)
{
	_cleanup_free_ char *option = xasprintf("--socket-dir=%s", dir);
	_cleanup_free_ char *path = xasprintf("%s/qrexec.7", dir);
	const char *const arguments[] = {"--direct", option, "--", "7", "vm", NULL};
	struct server_test t = {.path = path};

	peer_domain(0);
	t.pid = peer_start("qrexec-daemon", arguments);
	peer_domain(7);
	if (run == socket_case) {
		t.control = greet_daemon();
		close(peer_connect(path));
		t.fds = peer_descriptors(t.pid);
	}
	each_case(where, run, &t);
	if (run != socket_case)
		t.control = greet_daemon();
	stop(&t);
}

TEST(daemon_faces_programs)
{
	begin();
	test_daemon("daemon.client", socket_case);
}

TEST(daemon_faces_agents)
{
	begin();
	test_daemon("daemon.agent", agent_case);
}
