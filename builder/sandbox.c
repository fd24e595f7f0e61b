#include "builder/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "builder/sandbox_internal.h"
#include "common/base/alloc.h"
#include "common/base/blob.h"
#include "common/base/cleanup.h"
#include "common/base/strv.h"
#include "common/sys/clock.h"
#include "common/sys/file.h"

#define PATH_INSIDE "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum { DEFAULT_TIMEOUT = 3600, REPORT_MAX = 64 << 10 };

/*
 * What the child says before it ends, on a pipe that no foreign program inherits: this, then the packed error. Nothing
 * at all means that it was killed.
 */
struct report {
	int result; /* 0 or -errno */
	int status; /* exit code of the program, 128 + signal */
};

enum { PRELOAD_MAX = 8 };

#define PRELOAD_INSIDE "/run/bulkhead-preload"

/* What sandbox_vary() set. */
static const struct strv *varied_libraries, *varied_env;

struct job {
	const struct sandbox *sb;
	int (*fn)(void *arg, struct error *err); /* NULL: run sb->argv */
	void *arg;
	int report_fd;
	int log_fd; /* -1: none */
};

static void send_report(int fd, const struct report *report, const struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = {0};

	strbuf_add(&text, report, sizeof(*report));
	error_pack(err, &text);
	/* Nobody to tell when the pipe is gone: the parent sees the missing report. */
	write_all(fd, text.p, text.n);
}

static _Noreturn void child_fail(const struct job *job, int code, const char *step)
{
	_cleanup_error_ struct error err = {0};

	error_errno(&err, code, "sandbox", step);
	send_report(job->report_fd, &(struct report){.result = code}, &err);
	_exit(1);
}

static void reset_signals(void)
{
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	/* A file over the limit is an error that the program can report, not its end. */
	signal(SIGXFSZ, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* "NAME=value", in the place of one that is there. */
static void set_variable(struct strv *env, const char *pair)
{
	size_t name = strcspn(pair, "=") + 1;

	for (size_t i = 0; i < env->n; i++)
		if (!strncmp(env->v[i], pair, name)) {
			free(env->v[i]);
			env->v[i] = xstrdup(pair);
			return;
		}
	strv_push(env, pair);
}

static char **make_env(const struct sandbox *sb)
{
	struct strv env = {0}; /* lives until exec */

	strv_push(&env, "PATH=" PATH_INSIDE);
	strv_push(&env, "HOME=/root");
	strv_push(&env, "LANG=C.UTF-8");
	strv_push(&env, "TZ=UTC");
	strv_push(&env, "DEBIAN_FRONTEND=noninteractive");
	strv_pushf(&env, "SOURCE_DATE_EPOCH=%llu", (unsigned long long)sb->epoch);
	for (const char *const *e = sb->env; e && *e; e++)
		strv_push(&env, *e);
	for (size_t i = 0; varied_env && i < varied_env->n; i++)
		set_variable(&env, varied_env->v[i]);
	if (varied_libraries && varied_libraries->n && !sb->not_preloaded) {
		_cleanup_strbuf_ struct strbuf all = {0};

		for (size_t i = 0; i < varied_libraries->n; i++)
			strbuf_printf(&all, "%s" PRELOAD_INSIDE "/%zu.so", i ? ":" : "", i);
		strv_pushf(&env, "LD_PRELOAD=%s", all.p);
	}
	return env.v;
}

int sandbox_vary(const struct strv *libraries, const struct strv *env)
{
	if (libraries->n > PRELOAD_MAX)
		return -E2BIG;
	varied_libraries = libraries;
	varied_env = env;
	return 0;
}

/* Puts fd (0: /dev/null) at `to`. The descriptors were moved above 2 before. */
static int set_stdio(int fd, int null_fd, int to)
{
	return dup2(fd > 0 ? fd : null_fd, to) < 0 ? -errno : 0;
}

/* The descriptors that the program gets, out of the way of 0, 1 and 2. */
struct stdio {
	int fd[3], null_fd;
};

static int prepare_stdio(const struct job *job, struct stdio *io)
{
	const int wanted[3] = {job->sb->stdin_fd,
			       job->sb->stdout_fd > 0 ? job->sb->stdout_fd : job->log_fd,
			       job->sb->stderr_fd > 0 ? job->sb->stderr_fd : job->log_fd};

	io->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (io->null_fd < 0)
		return -errno;
	for (size_t i = 0; i < 3; i++) {
		io->fd[i] = wanted[i] > 0 ? fcntl(wanted[i], F_DUPFD_CLOEXEC, 3) : 0;
		if (io->fd[i] < 0)
			return -errno;
	}
	return 0;
}

static _Noreturn void exec_program(const struct job *job, const struct stdio *io)
{
	extern char **environ;
	int r = 0;

	for (int i = 0; i < 3 && r == 0; i++)
		r = set_stdio(io->fd[i], io->null_fd, i);
	if (r < 0)
		child_fail(job, r, "set standard input and output");
	environ = make_env(job->sb);
	if (syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */) < 0)
		child_fail(job, -errno, "close descriptors");
	execvp(job->sb->argv[0], (char *const *)(uintptr_t)job->sb->argv);
	child_fail(job, -errno, job->sb->argv[0]);
}

/* As process 1 of the namespace: reaps what is left to it until the program has ended. */
static int wait_for(pid_t program)
{
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, 0);

		if (pid < 0 && errno != EINTR)
			return 255;
		if (pid == program)
			return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	}
}

static void run_program(const struct job *job, const struct stdio *io)
{
	_cleanup_error_ struct error none = {0};
	struct report report = {0};
	pid_t pid = fork();

	if (pid < 0)
		child_fail(job, -errno, "fork");
	if (pid == 0)
		exec_program(job, io);
	report.status = wait_for(pid);
	/* When exec failed, its report went first, and only the first is read. */
	send_report(job->report_fd, &report, &none);
}

/* A folder of the parent's would lead a function, or what makes it err, out of the sandbox. */
static int close_folders(void)
{
	_cleanup_closedir_ DIR *d = opendir("/proc/self/fd");
	const struct dirent *e;

	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		int fd = atoi(e->d_name);
		struct stat st;

		if (fd > 2 && fd != dirfd(d) && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
			close(fd);
	}
	return 0;
}

static _Noreturn void child_main(const struct job *job)
{
	const struct sandbox *sb = job->sb;
	const char *step = "prepare";
	struct stdio io;
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	reset_signals();
	umask(022);
	setsid();
	if ((r = prepare_stdio(job, &io)) < 0 || (r = sandbox_mount_all(sb, &step)) < 0)
		child_fail(job, r, step);
	if (sethostname("bulkhead", 8) < 0)
		child_fail(job, -errno, "set the host name");
	if ((r = sandbox_drop_rights(sb, &step)) < 0)
		child_fail(job, r, step);
	if (job->fn && (r = close_folders()) < 0)
		child_fail(job, r, "close folders");
	if (sb->cwd && chdir(sb->cwd) < 0)
		child_fail(job, -errno, sb->cwd);
	if (job->fn) {
		_cleanup_error_ struct error err = {0};
		struct report report = {.result = job->fn(job->arg, &err)};

		send_report(job->report_fd, &report, &err);
	} else {
		run_program(job, &io);
	}
	_exit(0);
}

/* Appends what is there; keeps about the last `max` bytes. Returns bytes read, 0 at the end. */
static ssize_t collect(int fd, struct strbuf *out, size_t max)
{
	ssize_t n = read(fd, strbuf_reserve(out, 16384), 16384);

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 1 : 0;
	out->n += (size_t)n;
	if (out->n > 2 * max) {
		memmove(out->p, out->p + out->n - max, max);
		out->n = max;
	}
	out->p[out->n] = '\0';
	return n;
}

/* Reads report and log to their ends. -ETIMEDOUT when that does not come in time. */
static int listen_to(int report_fd, struct strbuf *report, int log_fd, struct strbuf *log,
		     size_t max, int64_t deadline)
{
	struct pollfd fds[2] = {{.fd = report_fd, .events = POLLIN},
				{.fd = log_fd, .events = POLLIN}};
	struct strbuf *to[2] = {report, log};
	const size_t limits[2] = {REPORT_MAX, max};

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		int64_t left = deadline - now_ms();
		int n;

		if (left <= 0)
			return -ETIMEDOUT;
		n = poll(fds, 2, left > 60000 ? 60000 : (int)left);
		if (n < 0 && errno != EINTR)
			return -errno;
		for (size_t i = 0; n > 0 && i < 2; i++)
			if (fds[i].revents && collect(fds[i].fd, to[i], limits[i]) == 0)
				fds[i].fd = -1;
	}
	return 0;
}

static int read_report(struct blob text, struct report *report, struct error *err)
{
	if (text.n < sizeof(*report))
		return error_set(err, -ECHILD, "sandbox", NULL, "was killed");
	memcpy(report, text.p, sizeof(*report));
	if (report->result >= 0)
		return report->result;
	return error_unpack(err, report->result, (struct blob){text.p + sizeof(*report), text.n - sizeof(*report)});
}

static int run(struct job *job, struct strbuf *log, size_t max, int *status, struct error *err)
{
	const unsigned flags =
		CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
	int64_t deadline = now_ms() + 1000 * (int64_t)(job->sb->timeout_s ? job->sb->timeout_s
									  : DEFAULT_TIMEOUT);
	_cleanup_close_ int report_in = -1, report_out = -1, log_in = -1, log_out = -1;
	_cleanup_strbuf_ struct strbuf text = {0};
	struct report report = {0};
	int fds[2], r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, -errno, "sandbox", "pipe");
	report_in = fds[0];
	report_out = fds[1];
	if (log && pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, -errno, "sandbox", "pipe");
	if (log) {
		log_in = fds[0];
		log_out = fds[1];
	}
	job->report_fd = report_out;
	job->log_fd = log_out;
	fflush(NULL);
	/* The raw call: fork() with namespaces. This process has one thread, so the child may use
	 * all of libc. */
	pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid < 0)
		return error_set(err, -errno, "sandbox", "run as root",
				 "cannot make namespaces: %s", strerror(errno));
	if (pid == 0)
		child_main(job);
	close(take_fd(&report_out));
	if (log)
		close(take_fd(&log_out));
	r = listen_to(report_in, &text, log_in, log, max, deadline);
	if (r < 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (r == -ETIMEDOUT)
		return error_set(err, r, "sandbox", NULL, "killed after %u seconds",
				 job->sb->timeout_s ? job->sb->timeout_s : DEFAULT_TIMEOUT);
	if (r < 0)
		return error_errno(err, r, "sandbox", "poll");
	r = read_report(strbuf_blob(&text), &report, err);
	if (r == 0)
		*status = report.status;
	return r;
}

/* With the libraries of sandbox_vary() beside what the caller wants to see inside. */
static int run_varied(const struct sandbox *sb, struct strbuf *log, size_t max, int *status, struct error *err)
{
	size_t n = varied_libraries ? varied_libraries->n : 0;
	_cleanup_free_ struct sandbox_bind *binds = xcalloc(sb->n_binds + n + 1, sizeof(*binds));
	_cleanup_strv_ struct strv targets = {0};
	struct sandbox varied = *sb;
	struct job job = {.sb = &varied};

	if (sb->n_binds)
		memcpy(binds, sb->binds, sb->n_binds * sizeof(*binds));
	varied.binds = binds;
	for (size_t i = 0; i < n; i++) {
		strv_pushf(&targets, PRELOAD_INSIDE "/%zu.so", i);
		binds[varied.n_binds++] =
			(struct sandbox_bind){.source = varied_libraries->v[i], .target = targets.v[i]};
	}
	return run(&job, log, max, status, err);
}

int sandbox_run(const struct sandbox *sb, int *status, struct error *err)
{
	return run_varied(sb, NULL, 0, status, err);
}

int sandbox_check(const struct sandbox *sb, const char *what, struct strbuf *log, size_t max,
		  struct error *err)
{
	_cleanup_strbuf_ struct strbuf own = {0};
	struct strbuf *text = log ? log : &own;
	struct blob line;
	int status = 0;
	int r = run_varied(sb, text, max ? max : 1 << 20, &status, err);

	if (r < 0) {
		error_prefix(err, what);
		return r;
	}
	if (status == 0)
		return 0;
	line = blob_last_line(strbuf_blob(text));
	return error_set(err, -EPROTO, what, NULL, "exit code %d%s%.*s", status, line.n ? ": " : "",
			 BLOB_ARG(line));
}

int sandbox_call(const struct sandbox *sb, int (*fn)(void *arg, struct error *err), void *arg,
		 struct error *err)
{
	struct job job = {.sb = sb, .fn = fn, .arg = arg};
	int status = 0;

	return run(&job, NULL, 0, &status, err);
}
