/* Running a graph: a process a step, as many at a time as wanted. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "builder/display.h"
#include "builder/graph.h"
#include "builder/history.h"
#include "builder/inputs.h"
#include "common/base/alloc.h"
#include "common/base/blob.h"
#include "common/base/cleanup.h"
#include "common/sys/clock.h"
#include "common/sys/file.h"

/* In the step's process: the error goes to the parent. */
static _Noreturn void child_main(struct graph *g, struct step *s, int report_fd)
{
	_cleanup_error_ struct error err = {0};
	_cleanup_strbuf_ struct strbuf report = {0};
	int r;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	r = step_make(g, s, &err);
	if (r == 0)
		_exit(0);
	error_pack(&err, &report);
	write_all(report_fd, report.p, report.n);
	_exit(1);
}

/* A step that fetches shares a page with the display, where there is one. */
static void share_status(struct step *s, const struct display *d)
{
	void *page;

	if (s->kind != STEP_BASE || !d->terminal || s->fetch_status)
		return;
	page = mmap(NULL, sizeof(*s->fetch_status), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	s->fetch_status = page == MAP_FAILED ? NULL : page;
}

static void give_reason(const struct graph *g, struct step *s)
{
	_cleanup_strv_ struct strv reasons = {0};

	step_reasons(g, s, &reasons);
	free(s->reason);
	s->reason = inputs_summary(&reasons);
}

static int start(struct graph *g, struct step *s, struct display *d, struct error *err)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, -errno, s->id, "pipe");
	give_reason(g, s);
	display_begun(d, s);
	share_status(s, d);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		child_main(g, s, fds[1]);
	}
	close(fds[1]);
	s->pid_fd = pid < 0 ? -1 : pidfd_open(pid, 0);
	if (s->pid_fd < 0) {
		int code = -errno;

		close(fds[0]);
		if (pid > 0) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
		return error_errno(err, code, s->id, "cannot start its process");
	}
	s->pid = pid;
	s->report_fd = fds[0];
	s->started = now_ms();
	return 0;
}

static int take_report(struct step *s, struct error *err)
{
	_cleanup_strbuf_ struct strbuf report = {0};

	if (read_fd(s->report_fd, 1 << 20, &report) < 0 || !report.n)
		return error_set(err, -ECANCELED, s->id, NULL, "its process was killed");
	return error_unpack(err, -ECANCELED, strbuf_blob(&report));
}

/* The process of a step has ended. */
static int finish(struct graph *g, struct step *s, struct display *d, struct error *err)
{
	int64_t ms = now_ms() - s->started;
	int status, r = 0;

	while (waitpid(s->pid, &status, 0) < 0)
		if (errno != EINTR)
			return error_errno(err, -errno, s->id, "wait");
	s->pid = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		r = take_report(s, err);
	} else {
		s->present = true;
		history_write(g->store, s->id, &s->inputs, ms);
		display_finished(d, s, ms);
	}
	close(s->report_fd);
	close(s->pid_fd);
	s->report_fd = -1;
	return r;
}

/* Waits for one step to end, and draws meanwhile. */
static int reap(struct graph *g, struct display *d, struct error *err)
{
	_cleanup_free_ struct pollfd *fds = xcalloc(g->n_steps + 1, sizeof(*fds));
	int n;

	for (size_t i = 0; i < g->n_steps; i++)
		fds[i] = (struct pollfd){g->steps[i]->pid ? g->steps[i]->pid_fd : -1, POLLIN, 0};
	do {
		display_draw(d);
		n = poll(fds, g->n_steps, display_interval(d));
	} while (n == 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		return error_errno(err, -errno, "build", "poll");
	for (size_t i = 0; i < g->n_steps; i++)
		if (fds[i].revents)
			return finish(g, g->steps[i], d, err);
	return 0;
}

static bool is_ready(const struct step *s)
{
	if (!s->needed || s->present || s->pid || !s->known)
		return false;
	for (size_t i = 0; i < s->n_deps; i++)
		if (!s->deps[i]->present)
			return false;
	return true;
}

static unsigned count_running(const struct graph *g)
{
	unsigned n = 0;

	for (size_t i = 0; i < g->n_steps; i++)
		n += g->steps[i]->pid != 0;
	return n;
}

static void stop_all(struct graph *g, struct display *d)
{
	for (size_t i = 0; i < g->n_steps; i++)
		if (g->steps[i]->pid)
			kill(g->steps[i]->pid, SIGTERM);
	while (count_running(g))
		reap(g, d, NULL);
}

/* How long each step took, for the time to go. */
static void recall(struct graph *g)
{
	for (size_t i = 0; i < g->n_steps; i++) {
		struct step *s = g->steps[i];
		_cleanup_history_ struct history last = {0};

		if (s->needed && !s->last_ms && history_read(g->store, s->id, &last) == 0 && last.ms > 0)
			s->last_ms = last.ms;
	}
}

/* One round: marks, starts what can start. 1: all goals are present. */
static int advance(struct graph *g, struct step *const *goals, size_t n, struct display *d, struct error *err)
{
	unsigned running = count_running(g), jobs = g->options->jobs ? g->options->jobs : 2;
	bool done = true;
	int r = graph_mark(g, goals, n, err);

	recall(g);
	for (size_t i = 0; r == 0 && i < g->n_steps && running < jobs; i++)
		if (is_ready(g->steps[i])) {
			r = start(g, g->steps[i], d, err);
			running++;
		}
	for (size_t i = 0; i < n; i++)
		done &= goals[i]->present;
	if (r < 0)
		return r;
	if (!done && !running)
		return error_set(err, -EDEADLK, "build", NULL, "no step can start");
	return done;
}

/* What was found counts as built: the next plan compares with this build. */
static void remember(const struct graph *g)
{
	for (size_t i = 0; i < g->n_steps; i++)
		if (g->steps[i]->present)
			history_write(g->store, g->steps[i]->id, &g->steps[i]->inputs, -1);
}

int graph_run(struct graph *g, struct step *const *goals, size_t n, struct error *err)
{
	struct display d;
	int r;

	display_start(&d, g);
	while ((r = advance(g, goals, n, &d, err)) == 0)
		if ((r = reap(g, &d, err)) < 0)
			break;
	if (r < 0)
		stop_all(g, &d);
	else
		remember(g);
	display_end(&d);
	return r < 0 ? r : 0;
}
