/*
 * qrexec-bench BINARIES [BINARIES]: the cost of calls over the socket flavour, as ratios to floors measured in the same run, because
 * absolute figures mean little on a busy machine. With two folders of programs both are measured, alternating.
 *
 *  - one call of `true`, against a client, a UNIX socket and a spawned `sh -c true`;
 *  - 32 calls in flight, against 32 such clients at once;
 *  - a stream into and out of a qube, against four processes that read and write 64 KiB over pipes and a socket;
 *  - a call from qube to qube under 1,000 rules, against a call from dom0; the evaluation of these rules alone, and the
 *    answer of the policy daemon, against a round trip over a UNIX socket;
 *  - memory of agent and daemon, after a tenth of that load and after all of it: what is kept for good is there by then.
 *
 * $BENCH_CALLS: how many calls are made with 32 in flight (192). One that fails makes the bench fail.
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
#include "runtime/qrexec/bench/bench.h"

#define CALLS 40
#define FLIGHT 32
#define STREAM (1UL << 30)
#define ROUNDS 3
#define CHUNK 65536

static char *work_dir;
static char *user;
static unsigned flight_calls = 192;

double bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

void bench_die(const char *what)
{
	fprintf(stderr, "qrexec-bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

pid_t bench_spawn(const char *const *argv, int in, int out)
{
	struct process p = {.argv = argv, .stdin_fd = in, .stdout_fd = out, .null_stdin = in == 0};
	pid_t pid = process_spawn(&p);

	if (pid < 0)
		bench_die(argv[0]);
	return pid;
}

/* --- the floor: client, socket, sh --- */

static int floor_socket(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/floor", work_dir);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 128) < 0)
		bench_die(a.sun_path);
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
			running[n++].pid = bench_spawn(sh, 0, 0);
			continue;
		}
		pid = waitpid(-1, &status, 0);
		for (unsigned i = 0; i < n; i++) {
			if (running[i].pid != pid)
				continue;
			if (write(running[i].fd, "0", 1) < 0)
				bench_die("floor");
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

static void start_qube(const struct set *s, const char *domid, const char *name, pid_t *agent_pid, pid_t *daemon_pid)
{
	_cleanup_free_ char *agent = xasprintf("%s/qrexec-agent", s->bin), *daemon = xasprintf("%s/qrexec-daemon", s->bin);
	_cleanup_free_ char *agent_socket = xasprintf("--agent-socket=%s/agent%s", s->dir, domid);
	_cleanup_free_ char *dir = xasprintf("--socket-dir=%s", s->dir);
	_cleanup_free_ char *socket_path = xasprintf("%s/qrexec.%s", s->dir, domid);
	const char *const agent_argv[] = {agent, agent_socket, NULL};
	const char *const daemon_argv[] = {daemon, "--direct", dir, "--", domid, name, user, NULL};

	setenv("VCHAN_SOCKET_DIR", s->dir, 1);
	setenv("QREXEC_SERVICE_PATH", s->dir, 1);
	setenv("VCHAN_DOMAIN", domid, 1);
	*agent_pid = bench_spawn(agent_argv, 0, 0);
	setenv("VCHAN_DOMAIN", "0", 1);
	*daemon_pid = bench_spawn(daemon_argv, 0, 0);
	bench_wait_for(socket_path);
}

void bench_wait_for(const char *path)
{
	for (int i = 0; access(path, F_OK) < 0; i++) {
		if (i == 500)
			bench_die(path);
		usleep(10000);
	}
}

static void start_set(struct set *s)
{
	start_qube(s, "7", "vm", &s->agent, &s->daemon);
	start_qube(s, "8", "other", &s->agent2, &s->daemon2);
	bench_policy_start(s);
}

static pid_t start_call(const struct set *s, const char *command, int in, int out)
{
	char *client = xasprintf("%s/qrexec-client", s->bin), *dir = xasprintf("--socket-dir=%s", s->dir);
	char *line = xasprintf("%s:%s", user, command);
	const char *const argv[] = {client, dir, "-d", "vm", line, NULL};
	pid_t pid;

	setenv("VCHAN_SOCKET_DIR", s->dir, 1);
	pid = bench_spawn(argv, in, out);
	free(client);
	free(dir);
	free(line);
	return pid;
}

static pid_t start_floor(void)
{
	char *path = xasprintf("%s/floor", work_dir);
	const char *const argv[] = {"/proc/self/exe", "--floor-client", path, NULL};
	pid_t pid = bench_spawn(argv, 0, 0);

	free(path);
	return pid;
}

static pid_t start_one(const struct set *s)
{
	return s ? start_call(s, "true", 0, 0) : start_floor();
}

static double one_call(const struct set *s, unsigned *failures)
{
	double begin = bench_now();

	if (process_wait(start_one(s)) != 0)
		(*failures)++;
	return bench_now() - begin;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Calls a second with FLIGHT of them running. */
static double flight(const struct set *s, unsigned calls, unsigned *failures)
{
	double begin = bench_now();
	unsigned running = 0, started = 0;
	int status;

	while (started < calls || running) {
		while (running < FLIGHT && started < calls) {
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
	return (double)calls / (bench_now() - begin) * 1e3;
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
		bench_die("pipe");
	if (as_socket) {
		int t = p[0];

		p[0] = p[1];
		p[1] = t;
	}
}

static double rate(double begin)
{
	return (double)STREAM / 1e6 / ((bench_now() - begin) / 1e3);
}

/* Source, two relays, sink. MB/s. */
static double relay(void)
{
	int a[2], b[2], c[2];
	double begin = bench_now();
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
	double begin = bench_now();
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
	double begin = bench_now();
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

/* Whether it is there. */
static bool copy_program(const char *from, const char *to, const char *name)
{
	char *a = xasprintf("%s/%s", from, name), *b = xasprintf("%s/%s", to, name);
	int in = open(a, O_RDONLY | O_CLOEXEC), out = open(b, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

	bool ok = in >= 0 && out >= 0 && copy_fd(in, out) >= 0;

	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	free(a);
	free(b);
	return ok;
}

/* Everything runs without rights: as root, programs would go through PAM and login shells. */
static void prepare(struct set *sets, unsigned n, char **from)
{
	static const char *const programs[] = {"qrexec-agent", "qrexec-daemon", "qrexec-client", "qrexec-client-vm"};
	char template[] = "/tmp/bulkhead-bench.XXXXXX";
	struct passwd *pw;

	if (!mkdtemp(template))
		bench_die(template);
	work_dir = xstrdup(template);
	for (unsigned i = 0; i < n; i++) {
		sets[i].bin = xasprintf("%s/bin%u", work_dir, i);
		sets[i].dir = xasprintf("%s/run%u", work_dir, i);
		mkdir(sets[i].bin, 0755);
		mkdir(sets[i].dir, 0777);
		for (unsigned k = 0; k < sizeof(programs) / sizeof(*programs); k++)
			if (!copy_program(from[i], sets[i].bin, programs[k]))
				bench_die(programs[k]);
		sets[i].has_policy = copy_program(from[i], sets[i].bin, "qrexec-policy-daemon") &&
				     copy_program(from[i], sets[i].bin, "fake-qubesd");
		if (geteuid() == 0 && chown(sets[i].dir, 65534, 65534) < 0)
			bench_die(sets[i].dir);
	}
	if (geteuid() == 0) {
		if (chown(work_dir, 65534, 65534) < 0 || setgid(65534) < 0 || setuid(65534) < 0)
			bench_die("setuid");
	}
	pw = getpwuid(getuid());
	user = xstrdup(pw ? pw->pw_name : "nobody");
}

static double median(double *v, unsigned n)
{
	qsort(v, n, sizeof(double), compare);
	return v[n / 2];
}

struct result {
	double call, rate, in, out, other;
	long before[2];
};

/* The same 32 at a time, even where few are measured. */
static unsigned warm_calls(void)
{
	return flight_calls / 10 > 4 * FLIGHT ? flight_calls / 10 : 4 * FLIGHT;
}

static void measure_calls(struct set *sets, unsigned n, struct result *floor_result, struct result *results, unsigned *failures)
{
	double calls[3][CALLS], others[2][CALLS];

	for (unsigned i = 0; i < n; i++) {
		one_call(&sets[i], failures);
		flight(&sets[i], warm_calls(), failures);
		stream_in(&sets[i], failures);
		stream_out(&sets[i], failures);
		results[i].before[0] = rss_kib(sets[i].agent);
		results[i].before[1] = rss_kib(sets[i].daemon);
	}
	for (unsigned c = 0; c < CALLS; c++) {
		for (unsigned i = 0; i <= n; i++)
			calls[i][c] = one_call(i ? &sets[i - 1] : NULL, failures);
		for (unsigned i = 0; i < n; i++)
			others[i][c] = bench_policy_call(&sets[i], failures);
	}
	for (unsigned i = 0; i <= n; i++) {
		struct result *r = i ? &results[i - 1] : floor_result;

		r->call = median(calls[i], CALLS);
		r->rate = flight(i ? &sets[i - 1] : NULL, flight_calls, failures);
		if (i)
			r->other = median(others[i - 1], CALLS);
	}
}

static void measure_streams(struct set *sets, unsigned n, struct result *floor_result, struct result *results, unsigned *failures)
{
	double base[ROUNDS], in[2][ROUNDS], out[2][ROUNDS];

	for (unsigned k = 0; k < ROUNDS; k++) {
		base[k] = relay();
		for (unsigned i = 0; i < n; i++) {
			in[i][k] = stream_in(&sets[i], failures);
			out[i][k] = stream_out(&sets[i], failures);
		}
	}
	floor_result->in = median(base, ROUNDS);
	for (unsigned i = 0; i < n; i++) {
		results[i].in = median(in[i], ROUNDS);
		results[i].out = median(out[i], ROUNDS);
	}
}

static void print_set(const struct set *s, const struct result *r, const struct result *base)
{
	printf("  %-32s %10.1f ms   %5.2f x floor (at most 1.40)\n", "one call of true", r->call, r->call / base->call);
	printf("  %-32s %10.0f /s   %5.2f x floor (at least 0.60)\n", "32 calls in flight", r->rate, r->rate / base->rate);
	if (s->policy > 0)
		printf("  %-32s %10.1f ms   %5.2f x call from dom0 (at most 2.00)\n", "qube to qube, 1,000 rules", r->other,
		       r->other / r->call);
	printf("  %-32s %10.0f MB/s %5.2f x relay (at least 0.60)\n", "stream into the qube", r->in, r->in / base->in);
	printf("  %-32s %10.0f MB/s %5.2f x relay (at least 0.60)\n", "stream out of the qube", r->out, r->out / base->in);
	printf("  %-32s %ld -> %ld KiB, %ld -> %ld KiB\n", "RSS of agent, of daemon", r->before[0], rss_kib(s->agent),
	       r->before[1], rss_kib(s->daemon));
}

static unsigned measure(struct set *sets, unsigned n)
{
	struct result base = {0}, results[2] = {0};
	unsigned failures = 0;

	measure_calls(sets, n, &base, results, &failures);
	measure_streams(sets, n, &base, results, &failures);
	printf("%-34s %10.1f ms\n", "floor: client, socket, sh", base.call);
	printf("%-34s %10.0f /s\n", "floor: 32 in flight", base.rate);
	printf("%-34s %10.0f MB/s\n", "floor: relay of four processes", base.in);
	for (unsigned i = 0; i < n; i++) {
		printf("set %u\n", i + 1);
		print_set(&sets[i], &results[i], &base);
		bench_policy_print(&sets[i]);
	}
	printf("failures: %u of %u calls\n", failures, n * (2 * CALLS + warm_calls() + flight_calls + 2 * ROUNDS + 3));
	return failures;
}

static void stop_set(const struct set *s)
{
	const pid_t pids[] = {s->agent, s->daemon, s->agent2, s->daemon2, s->policy, s->qubesd};

	for (unsigned i = 0; i < sizeof(pids) / sizeof(*pids); i++)
		if (pids[i] > 0)
			kill(pids[i], SIGTERM);
}

int main(int argc, char **argv)
{
	struct set sets[2] = {0};
	unsigned n = (unsigned)argc - 1, failures;
	const char *calls = getenv("BENCH_CALLS");
	pid_t server;
	int fd;

	if (argc == 3 && strcmp(argv[1], "--floor-client") == 0)
		return floor_client(argv[2]);
	if (n < 1 || n > 2) {
		fprintf(stderr, "usage: qrexec-bench BINARIES [BINARIES]\n");
		return 2;
	}
	if (calls && atoi(calls) > 0)
		flight_calls = (unsigned)atoi(calls);
	prepare(sets, n, argv + 1);
	fd = floor_socket();
	server = fork();
	if (server == 0)
		floor_server(fd);
	close(fd);
	for (unsigned i = 0; i < n; i++)
		start_set(&sets[i]);
	failures = measure(sets, n);
	kill(server, SIGKILL);
	for (unsigned i = 0; i < n; i++)
		stop_set(&sets[i]);
	while (wait(NULL) > 0)
		;
	remove_tree(AT_FDCWD, work_dir);
	return failures ? 1 : 0;
}
