/*
 * qrexec-bench BINARIES [BINARIES]: the cost of calls over the socket flavour, as ratios to floors measured in the same run, because
 * absolute figures mean little on a busy machine. With two folders of programs both are measured, alternating.
 *
 *  - one call of `true`, against a client, a UNIX socket and a spawned `sh -c true`;
 *  - 32 calls in flight, against 32 such clients at once;
 *  - a stream into and out of a qube, against four processes that read and write 64 KiB over pipes and a socket;
 *  - memory of agent and daemon, before and after.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"
#include "common/sys/process.h"

#define CALLS 40
#define FLIGHT 32
#define FLIGHT_CALLS 192
#define STREAM (256UL << 20)
#define CHUNK 65536

struct set {
	char *bin; /* our copy of the programs */
	char *dir; /* sockets */
	pid_t agent, daemon;
};

static char *work_dir;
static char *user;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void die(const char *what)
{
	fprintf(stderr, "qrexec-bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static pid_t spawn(const char *const *argv, int in, int out)
{
	struct process p = {.argv = argv, .stdin_fd = in, .stdout_fd = out, .null_stdin = in == 0};
	pid_t pid = process_spawn(&p);

	if (pid < 0)
		die(argv[0]);
	return pid;
}

/* --- the floor: client, socket, sh --- */

static int floor_socket(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/floor", work_dir);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 128) < 0)
		die(a.sun_path);
	return fd;
}

static void floor_server(int listen_fd)
{
	static const char *const sh[] = {"/bin/sh", "-c", "true", NULL};
	struct {
		pid_t pid;
		int fd;
	} running[FLIGHT * 2] = {0};
	unsigned n = 0;
	int status;

	for (;;) {
		struct pollfd p = {.fd = listen_fd, .events = POLLIN};
		char c;
		pid_t pid;

		/* With children running it must notice their ends: wait() is as good a floor as any loop. */
		if (n == 0 || poll(&p, 1, 0) > 0) {
			int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

			if (fd < 0 || read(fd, &c, 1) != 1)
				continue;
			running[n].fd = fd;
			running[n++].pid = spawn(sh, 0, 0);
			continue;
		}
		pid = waitpid(-1, &status, 0);
		for (unsigned i = 0; i < n; i++) {
			if (running[i].pid != pid)
				continue;
			if (write(running[i].fd, "0", 1) < 0)
				die("floor");
			close(running[i].fd);
			running[i] = running[--n];
			break;
		}
	}
}

static int floor_client(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char c;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || write(fd, "x", 1) != 1)
		return 1;
	return read(fd, &c, 1) == 1 ? 0 : 1;
}

/* --- a qube --- */

static void start_set(struct set *s)
{
	char *agent = xasprintf("%s/qrexec-agent", s->bin), *daemon = xasprintf("%s/qrexec-daemon", s->bin);
	char *agent_socket = xasprintf("--agent-socket=%s/agent", s->dir), *dir = xasprintf("--socket-dir=%s", s->dir);
	const char *const agent_argv[] = {agent, agent_socket, NULL};
	const char *const daemon_argv[] = {daemon, "--direct", dir, "--", "7", "vm", user, NULL};
	char *socket_path = xasprintf("%s/qrexec.7", s->dir);

	setenv("VCHAN_SOCKET_DIR", s->dir, 1);
	setenv("VCHAN_DOMAIN", "7", 1);
	s->agent = spawn(agent_argv, 0, 0);
	setenv("VCHAN_DOMAIN", "0", 1);
	s->daemon = spawn(daemon_argv, 0, 0);
	for (int i = 0; access(socket_path, F_OK) < 0; i++) {
		if (i == 500)
			die("the daemon did not start");
		usleep(10000);
	}
	free(agent);
	free(daemon);
	free(agent_socket);
	free(dir);
	free(socket_path);
}

static pid_t start_call(const struct set *s, const char *command, int in, int out)
{
	char *client = xasprintf("%s/qrexec-client", s->bin), *dir = xasprintf("--socket-dir=%s", s->dir);
	char *line = xasprintf("%s:%s", user, command);
	const char *const argv[] = {client, dir, "-d", "vm", line, NULL};
	pid_t pid;

	setenv("VCHAN_SOCKET_DIR", s->dir, 1);
	pid = spawn(argv, in, out);
	free(client);
	free(dir);
	free(line);
	return pid;
}

static pid_t start_floor(void)
{
	char *path = xasprintf("%s/floor", work_dir);
	const char *const argv[] = {"/proc/self/exe", "--floor-client", path, NULL};
	pid_t pid = spawn(argv, 0, 0);

	free(path);
	return pid;
}

static pid_t start_one(const struct set *s)
{
	return s ? start_call(s, "true", 0, 0) : start_floor();
}

static double one_call(const struct set *s, unsigned *failures)
{
	double begin = now();

	if (process_wait(start_one(s)) != 0)
		(*failures)++;
	return now() - begin;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Calls a second with FLIGHT of them running. */
static double flight(const struct set *s, unsigned *failures)
{
	double begin = now();
	unsigned running = 0, started = 0;
	int status;

	while (started < FLIGHT_CALLS || running) {
		while (running < FLIGHT && started < FLIGHT_CALLS) {
			start_one(s);
			running++;
			started++;
		}
		if (waitpid(-1, &status, 0) > 0) {
			running--;
			if (status)
				(*failures)++;
		}
	}
	return FLIGHT_CALLS / (now() - begin) * 1e3;
}

static pid_t fork_pump(int in, int out, size_t limit)
{
	pid_t pid = fork();
	static char buf[CHUNK];

	if (pid)
		return pid;
	for (size_t done = 0; !limit || done < limit;) {
		ssize_t n = in < 0 ? CHUNK : read(in, buf, sizeof(buf));

		if (n <= 0)
			break;
		if (out >= 0 && write_all(out, buf, (size_t)n) < 0)
			break;
		done += (size_t)n;
	}
	_exit(0);
}

static void new_pipe(int p[2], bool as_socket)
{
	if (as_socket ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p) : pipe2(p, O_CLOEXEC))
		die("pipe");
	if (as_socket) {
		int t = p[0];

		p[0] = p[1];
		p[1] = t;
	}
}

static double rate(double begin)
{
	return (double)STREAM / 1e6 / ((now() - begin) / 1e3);
}

/* Source, two relays, sink. MB/s. */
static double relay(void)
{
	int a[2], b[2], c[2];
	double begin = now();
	pid_t pids[4];

	new_pipe(a, false);
	new_pipe(b, true);
	new_pipe(c, false);
	/* Each keeps only its own ends, so that the ends of the streams travel. */
	pids[0] = fork_pump(-1, a[1], STREAM);
	close(a[1]);
	pids[1] = fork_pump(a[0], b[1], STREAM);
	close(a[0]);
	close(b[1]);
	pids[2] = fork_pump(b[0], c[1], STREAM);
	close(b[0]);
	close(c[1]);
	pids[3] = fork_pump(c[0], -1, STREAM);
	close(c[0]);
	for (int i = 0; i < 4; i++)
		process_wait(pids[i]);
	return rate(begin);
}

static double stream_in(const struct set *s, unsigned *failures)
{
	int p[2];
	double begin = now();
	pid_t source, client;

	new_pipe(p, false);
	source = fork_pump(-1, p[1], STREAM);
	close(p[1]);
	client = start_call(s, "exec cat >/dev/null", p[0], 0);
	close(p[0]);
	if (process_wait(source) || process_wait(client))
		(*failures)++;
	return rate(begin);
}

static double stream_out(const struct set *s, unsigned *failures)
{
	char *command = xasprintf("exec dd if=/dev/zero bs=64k count=%lu status=none", STREAM / CHUNK);
	int p[2];
	double begin = now();
	pid_t sink, client;

	new_pipe(p, false);
	client = start_call(s, command, 0, p[1]);
	close(p[1]);
	sink = fork_pump(p[0], -1, STREAM);
	close(p[0]);
	if (process_wait(sink) || process_wait(client))
		(*failures)++;
	free(command);
	return rate(begin);
}

static long rss_kib(pid_t pid)
{
	char *path = xasprintf("/proc/%d/status", pid);
	struct strbuf text = {0};
	const char *p;
	long kib = 0;

	if (read_file(AT_FDCWD, path, 1 << 16, &text) == 0 && (p = strstr(text.p, "VmRSS:")))
		kib = atol(p + 6);
	strbuf_free(&text);
	free(path);
	return kib;
}

static void copy_program(const char *from, const char *to, const char *name)
{
	char *a = xasprintf("%s/%s", from, name), *b = xasprintf("%s/%s", to, name);
	int in = open(a, O_RDONLY | O_CLOEXEC), out = open(b, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

	if (in < 0 || out < 0 || copy_fd(in, out) < 0)
		die(a);
	close(in);
	close(out);
	free(a);
	free(b);
}

/* Everything runs without rights: as root, programs would go through PAM and login shells. */
static void prepare(struct set *sets, unsigned n, char **from)
{
	char template[] = "/tmp/bulkhead-bench.XXXXXX";
	struct passwd *pw;

	if (!mkdtemp(template))
		die(template);
	work_dir = xstrdup(template);
	for (unsigned i = 0; i < n; i++) {
		sets[i].bin = xasprintf("%s/bin%u", work_dir, i);
		sets[i].dir = xasprintf("%s/run%u", work_dir, i);
		mkdir(sets[i].bin, 0755);
		mkdir(sets[i].dir, 0777);
		copy_program(from[i], sets[i].bin, "qrexec-agent");
		copy_program(from[i], sets[i].bin, "qrexec-daemon");
		copy_program(from[i], sets[i].bin, "qrexec-client");
		if (geteuid() == 0 && chown(sets[i].dir, 65534, 65534) < 0)
			die(sets[i].dir);
	}
	if (geteuid() == 0) {
		if (chown(work_dir, 65534, 65534) < 0 || setgid(65534) < 0 || setuid(65534) < 0)
			die("setuid");
	}
	pw = getpwuid(getuid());
	user = xstrdup(pw ? pw->pw_name : "nobody");
}

static void measure(struct set *sets, unsigned n)
{
	double calls[3][CALLS], rates[3] = {0}, in[2], out[2], base;
	unsigned failures = 0;
	long before[2][2];

	for (unsigned i = 0; i < n; i++) {
		one_call(&sets[i], &failures);
		before[i][0] = rss_kib(sets[i].agent);
		before[i][1] = rss_kib(sets[i].daemon);
	}
	for (unsigned c = 0; c < CALLS; c++)
		for (unsigned i = 0; i <= n; i++)
			calls[i][c] = one_call(i ? &sets[i - 1] : NULL, &failures);
	for (unsigned i = 0; i <= n; i++) {
		qsort(calls[i], CALLS, sizeof(double), compare);
		rates[i] = flight(i ? &sets[i - 1] : NULL, &failures);
	}
	base = relay();
	for (unsigned i = 0; i < n; i++) {
		in[i] = stream_in(&sets[i], &failures);
		out[i] = stream_out(&sets[i], &failures);
	}
	printf("%-34s %10.1f ms\n", "floor: client, socket, sh", calls[0][CALLS / 2]);
	printf("%-34s %10.0f /s\n", "floor: 32 in flight", rates[0]);
	printf("%-34s %10.0f MB/s\n", "floor: relay of four processes", base);
	for (unsigned i = 0; i < n; i++) {
		const struct set *s = &sets[i];

		printf("set %u\n", i + 1);
		printf("  %-32s %10.1f ms   %5.2f x floor (at most 1.40)\n", "one call of true", calls[i + 1][CALLS / 2],
		       calls[i + 1][CALLS / 2] / calls[0][CALLS / 2]);
		printf("  %-32s %10.0f /s   %5.2f x floor (at least 0.60)\n", "32 calls in flight", rates[i + 1],
		       rates[i + 1] / rates[0]);
		printf("  %-32s %10.0f MB/s %5.2f x relay (at least 0.60)\n", "stream into the qube", in[i], in[i] / base);
		printf("  %-32s %10.0f MB/s %5.2f x relay (at least 0.60)\n", "stream out of the qube", out[i],
		       out[i] / base);
		printf("  %-32s %ld -> %ld KiB, %ld -> %ld KiB\n", "RSS of agent, of daemon", before[i][0],
		       rss_kib(s->agent), before[i][1], rss_kib(s->daemon));
	}
	printf("failures: %u\n", failures);
}

int main(int argc, char **argv)
{
	struct set sets[2] = {0};
	unsigned n = (unsigned)argc - 1;
	pid_t server;
	int fd;

	if (argc == 3 && strcmp(argv[1], "--floor-client") == 0)
		return floor_client(argv[2]);
	if (n < 1 || n > 2) {
		fprintf(stderr, "usage: qrexec-bench BINARIES [BINARIES]\n");
		return 2;
	}
	prepare(sets, n, argv + 1);
	fd = floor_socket();
	server = fork();
	if (server == 0)
		floor_server(fd);
	close(fd);
	for (unsigned i = 0; i < n; i++)
		start_set(&sets[i]);
	measure(sets, n);
	kill(server, SIGKILL);
	for (unsigned i = 0; i < n; i++) {
		kill(sets[i].agent, SIGTERM);
		kill(sets[i].daemon, SIGTERM);
	}
	while (wait(NULL) > 0)
		;
	remove_tree(AT_FDCWD, work_dir);
	return 0;
}
