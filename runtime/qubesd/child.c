#include "runtime/qubesd/child.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "common/base/alloc.h"
#include "common/base/strbuf.h"
#include "common/base/strv.h"
#include "common/sys/file.h"
#include "common/sys/process.h"

enum { OUT_MAX = 64 << 10 };

struct child {
	pid_t pid;
	int out_fd;
	struct strbuf out;
	size_t out_max;
	bool timed_out;
	sd_event_source *exit, *io, *timer;
	child_done_fn done;
	void *user;
};

static void child_free(struct child *c)
{
	sd_event_source_disable_unref(c->exit);
	sd_event_source_disable_unref(c->io);
	sd_event_source_disable_unref(c->timer);
	if (c->out_fd >= 0)
		close(c->out_fd);
	strbuf_free(&c->out);
	free(c);
}

/* Takes what is in the pipe now; false once it ended. More than the limit is read and dropped. */
static bool drain(struct child *c)
{
	char buf[4096];
	ssize_t n;

	if (c->out_fd < 0)
		return false;
	while ((n = read(c->out_fd, buf, sizeof(buf))) > 0)
		if (c->out.n + (size_t)n <= c->out_max)
			strbuf_add(&c->out, buf, (size_t)n);
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static int on_output(sd_event_source *s, int fd, uint32_t revents, void *user)
{
	(void)fd;
	(void)revents;
	if (!drain(user))
		sd_event_source_set_enabled(s, SD_EVENT_OFF);
	return 0;
}

static int on_child_exit(sd_event_source *s, const siginfo_t *si, void *user)
{
	struct child *c = user;
	int status = si->si_code == CLD_EXITED ? si->si_status : 128 + si->si_status;
	_cleanup_free_ char *out = NULL;
	child_done_fn done = c->done;

	(void)s;
	/* Not up to the end of the pipe: a daemon that it left behind may hold it open. */
	drain(c);
	if (c->timed_out)
		status = -ETIMEDOUT;
	out = strbuf_steal(&c->out);
	user = c->user;
	child_free(c);
	done(user, status, out);
	return 0;
}

static int on_timeout(sd_event_source *s, uint64_t usec, void *user)
{
	struct child *c = user;

	(void)s;
	(void)usec;
	c->timed_out = true;
	child_kill(c);
	return 0;
}

void child_kill(struct child *c)
{
	kill(c->pid, SIGKILL);
}

/*
 * Nothing of the daemon's is kept open: a client or the next qubesd would take it for the daemon. The work ends with the
 * daemon, as if the machine had lost power: what comes after it would begin the same work anew.
 */
static void leave_daemon(pid_t daemon, int out)
{
	if (out > 3)
		close_range(3, (unsigned)out - 1, 0);
	close_range(out < 3 ? 3 : (unsigned)out + 1, ~0U, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != daemon)
		_exit(2);
}

static void work_in_child(const struct child_spec *spec, int out)
{
	_cleanup_error_ struct error err = {0};
	_cleanup_strbuf_ struct strbuf result = {0};
	_cleanup_free_ char *text = NULL;
	sigset_t none;
	int r;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	r = spec->work ? spec->work(spec->arg, &err) : spec->produce(spec->arg, &result, &err);
	if (r == 0 && write_all(out, strbuf_blob(&result).p, result.n) < 0)
		_exit(2);
	if (r < 0) {
		text = err.object ? xasprintf("%s: %s%s%s", err.object, err.cause, err.remedy ? "; " : "",
					      err.remedy ? err.remedy : "")
				  : xstrdup(strerror(-r));
		if (write_all(out, text, strlen(text)) < 0)
			_exit(2);
	}
	_exit(r < 0);
}

static int memory_file(struct blob data)
{
	_cleanup_close_ int fd = memfd_create("input", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = write_all(fd, data.p, data.n);
	if (r < 0)
		return r;
	return lseek(fd, 0, SEEK_SET) < 0 ? -errno : take_fd(&fd);
}

static pid_t start_program(const struct child_spec *spec, int out)
{
	struct process p = {.argv = spec->argv, .stdout_fd = out, .null_stdin = !spec->input.p};
	_cleanup_strv_ struct strv env = {0};
	_cleanup_close_ int in = -1;

	if (spec->input.p) {
		in = memory_file(spec->input);
		if (in < 0)
			return in;
		p.stdin_fd = in;
	}
	if (spec->env) {
		for (char **e = environ; *e; e++)
			strv_push(&env, *e);
		for (const char *const *e = spec->env; *e; e++)
			strv_push(&env, *e);
		p.env = env.v;
	}
	return process_spawn(&p);
}

static int watch_child(sd_event *event, struct child *c, unsigned timeout)
{
	int r = sd_event_add_child(event, &c->exit, c->pid, WEXITED, on_child_exit, c);

	if (r >= 0 && c->out_fd >= 0)
		r = sd_event_add_io(event, &c->io, c->out_fd, EPOLLIN, on_output, c);
	if (r >= 0 && timeout)
		r = sd_event_add_time_relative(event, &c->timer, CLOCK_MONOTONIC,
					       timeout * UINT64_C(1000000), 0, on_timeout, c);
	return r;
}

int child_start(sd_event *event, const struct child_spec *spec, child_done_fn done, void *user,
		struct child **child)
{
	_cleanup_close_ int to = -1;
	struct child *c = xcalloc(1, sizeof(*c));
	bool ours = spec->work || spec->produce;
	pid_t daemon = getpid();
	int fds[2], r;

	*c = (struct child){.out_fd = -1, .out_max = spec->out_max ? spec->out_max : OUT_MAX, .done = done, .user = user};
	if (spec->capture || ours) {
		if (pipe2(fds, O_CLOEXEC) < 0) {
			r = -errno;
			child_free(c);
			return r;
		}
		c->out_fd = fds[0];
		to = fds[1];
		fcntl(c->out_fd, F_SETFL, O_NONBLOCK);
	}
	c->pid = ours ? fork() : start_program(spec, to > 0 ? to : 0);
	if (ours && c->pid == 0) {
		leave_daemon(daemon, to);
		work_in_child(spec, to);
	}
	if (c->pid < 0) {
		r = ours ? -errno : (int)c->pid;
		child_free(c);
		return r;
	}
	r = watch_child(event, c, spec->timeout);
	if (r < 0) {
		child_kill(c);
		process_wait(c->pid);
		child_free(c);
		return r;
	}
	if (child)
		*child = c;
	return 0;
}
