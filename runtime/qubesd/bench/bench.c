/*
 * qubesd-bench BINARIES: what the Admin API and its tools cost with 100 qubes, as ratios to floors measured in the same
 * run, because absolute figures mean little on a busy machine. A qubesd of its own, offline, over a folder that goes away.
 *
 *  - qvm-ls and qvm-prefs, against a bare process that makes one round trip over a UNIX socket;
 *  - admin.vm.property.Get, against such a round trip from a process that is there already;
 *  - memory of qubesd;
 *  - the processes that each command starts, those of qubesd with it. They are counted by process ids, so only where
 *    this is the first process of a namespace: `unshare --user --map-root-user --pid --fork --mount-proc`.
 *
 * Exit code 1: a call failed. A missed limit is only printed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "common/sys/socket.h"

enum { QUBES = 100, ROUNDS = 25, TRIPS = 400, ANSWER_MAX = 1 << 20, PATIENCE = 2000 };

static char *dir, *floor_path, *socket_path, *qvm, *qubesd;
static int null_fd;

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}

static void die(const char *what)
{
	fprintf(stderr, "qubesd-bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* One request and its whole answer, as the Admin API does it. The size of the answer, or -errno. */
static ssize_t round_trip(const char *path, const char *request, size_t n)
{
	_cleanup_close_ int fd = socket_connect(path, 0);
	_cleanup_strbuf_ struct strbuf answer = {0};
	int r;

	if (fd < 0)
		return fd;
	if (send(fd, request, n, MSG_NOSIGNAL) != (ssize_t)n || shutdown(fd, SHUT_WR) < 0)
		return -errno;
	r = read_fd(fd, ANSWER_MAX, &answer);
	if (r < 0)
		return r;
	return answer.n && answer.p[0] == '0' ? (ssize_t)answer.n : -EREMOTEIO;
}

/* Reads a request, answers as many bytes as a property has. */
static void floor_server(int listen_fd)
{
	static const char answer[64] = "0";
	char buf[256];

	for (;;) {
		_cleanup_close_ int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

		while (fd >= 0 && read(fd, buf, sizeof(buf)) > 0)
			;
		if (fd >= 0 && send(fd, answer, sizeof(answer), MSG_NOSIGNAL) < 0)
			continue;
	}
}

static pid_t start(const char *const *argv)
{
	pid_t pid = process_spawn(&(struct process){.argv = argv, .null_stdin = 1, .stdout_fd = null_fd});

	if (pid < 0) {
		errno = (int)-pid;
		die(argv[0]);
	}
	return pid;
}

static double time_of(const char *const *argv)
{
	double began = now_us();

	if (process_wait(start(argv)) != 0) {
		errno = EREMOTEIO;
		die(argv[1]);
	}
	return now_us() - began;
}

static pid_t probe_pid(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	return pid;
}

static void fill(void)
{
	_cleanup_strbuf_ struct strbuf s = {0};

	for (int i = -1; i < QUBES; i++) {
		strbuf_reset(&s);
		strbuf_printf(&s, "%s dom0 name dom0", i < 0 ? "admin.vm.Create.TemplateVM" : "admin.vm.Create.AppVM+base");
		strbuf_add_char(&s, 0);
		if (i < 0)
			strbuf_add_str(&s, "name=base label=black");
		else
			strbuf_printf(&s, "name=qube-%d label=red", i);
		if (round_trip(socket_path, s.p, s.n) < 0)
			die("admin.vm.Create");
	}
}

static long rss_kib(pid_t pid)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/status", (int)pid);
	_cleanup_strbuf_ struct strbuf text = {0};
	const char *at;

	if (read_file(AT_FDCWD, path, 1 << 16, &text) < 0)
		die(path);
	at = strstr(text.p, "VmRSS:");
	return at ? atol(at + 6) : 0;
}

#define TOOL(name, ...) (const char *const[]){qvm, name, "--socket", socket_path, __VA_ARGS__}

/* In turn, so that all see the same weather. */
static void measure_tools(void)
{
	const char *const floor_argv[] = {"/proc/self/exe", "--floor-client", floor_path, NULL};
	double bare[ROUNDS], ls[ROUNDS], prefs[ROUNDS], base;

	for (int i = 0; i < ROUNDS; i++) {
		bare[i] = time_of(floor_argv);
		ls[i] = time_of(TOOL("qvm-ls", NULL));
		prefs[i] = time_of(TOOL("qvm-prefs", "qube-7", NULL));
	}
	base = median(bare, ROUNDS);
	printf("%-40s %8.2f ms\n", "floor: a process, one round trip", base / 1e3);
	printf("%-40s %8.2f ms   %5.2f x floor (at most 5.00)\n", "qvm-ls, 100 qubes", median(ls, ROUNDS) / 1e3,
	       median(ls, ROUNDS) / base);
	printf("%-40s %8.2f ms   %5.2f x floor\n", "qvm-prefs of one", median(prefs, ROUNDS) / 1e3,
	       median(prefs, ROUNDS) / base);
}

static void measure_calls(void)
{
	static const char get[] = "admin.vm.property.Get+memory dom0 name qube-7";
	static double bare[TRIPS], ours[TRIPS];
	double base;

	for (int i = 0; i < TRIPS; i++) {
		double a = now_us(), b;

		if (round_trip(floor_path, get, sizeof(get)) < 0)
			die("floor");
		b = now_us();
		if (round_trip(socket_path, get, sizeof(get)) < 0)
			die("admin.vm.property.Get");
		ours[i] = now_us() - b;
		bare[i] = b - a;
	}
	base = median(bare, TRIPS);
	printf("%-40s %8.1f us\n", "floor: one round trip", base);
	printf("%-40s %8.1f us   %5.2f x floor (at most 3.00)\n", "admin.vm.property.Get", median(ours, TRIPS),
	       median(ours, TRIPS) / base);
}

static void count(const char *const *argv)
{
	pid_t before = probe_pid();

	time_of(argv);
	printf("%-40s %8d\n", argv[1], (int)(probe_pid() - before - 1));
}

static void count_processes(void)
{
	if (getpid() != 1) {
		printf("processes: not counted, this is not the first process of a namespace\n");
		return;
	}
	printf("processes started by\n");
	count(TOOL("qvm-ls", NULL));
	count(TOOL("qvm-prefs", "qube-7", "memory", NULL));
	count(TOOL("qvm-prefs", "qube-7", "memory", "500", NULL));
	count(TOOL("qvm-features", "qube-7", "x", "1", NULL));
	count(TOOL("qvm-tags", "qube-7", "add", "x", NULL));
	count(TOOL("qvm-create", "--template", "base", "--label", "red", "more", NULL));
	count(TOOL("qvm-clone", "more", "again", NULL));
	count(TOOL("qvm-remove", "--force", "more", NULL));
}

static pid_t start_floor(void)
{
	int fd = socket_listen(floor_path, 0600, 0, 128);
	pid_t pid;

	if (fd < 0)
		die(floor_path);
	pid = fork();
	if (pid == 0)
		floor_server(fd);
	close(fd);
	return pid;
}

static pid_t start_qubesd(void)
{
	static const char list[] = "admin.vmclass.List dom0 name dom0";
	const char *const argv[] = {qubesd, "--root", dir, "--offline", NULL};
	pid_t pid = start(argv);

	for (int i = 0; i < PATIENCE; i++) {
		if (round_trip(socket_path, list, sizeof(list)) > 0)
			return pid;
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	}
	die(qubesd);
	return -1;
}

int main(int argc, char **argv)
{
	char template[] = "/tmp/qubesd-bench-XXXXXX";
	pid_t floor_pid, daemon;
	long before;

	if (argc == 3 && !strcmp(argv[1], "--floor-client"))
		return round_trip(argv[2], "x", 1) < 0;
	if (argc != 2) {
		fprintf(stderr, "usage: qubesd-bench BINARIES\n");
		return 2;
	}
	dir = mkdtemp(template);
	null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (!dir || null_fd < 0)
		die(template);
	floor_path = xasprintf("%s/floor", dir);
	socket_path = xasprintf("%s/var/run/qubesd.sock", dir);
	qvm = xasprintf("%s/qvm", argv[1]);
	qubesd = xasprintf("%s/qubesd", argv[1]);
	floor_pid = start_floor();
	daemon = start_qubesd();
	fill();
	before = rss_kib(daemon);
	measure_tools();
	measure_calls();
	printf("%-40s %8ld KiB, %ld KiB after these calls (at most 16384)\n", "RSS of qubesd, 100 qubes", before,
	       rss_kib(daemon));
	count_processes();
	kill(daemon, SIGTERM);
	kill(floor_pid, SIGKILL);
	process_wait(daemon);
	process_wait(floor_pid);
	return remove_tree(AT_FDCWD, dir) < 0;
}
