/* Running a graph: a process a step, as many at a time as wanted. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "builder/graph.h"
#include "builder/history.h"
#include "builder/inputs.h"
#include "common/base/alloc.h"
#include "common/base/blob.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"
#include "common/ui/event.h"

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* In the step's process: the error goes to the parent as three texts, each with its NUL. */
static _Noreturn void child_main(struct graph *g, struct step *s, int report_fd)
{
	_cleanup_error_ struct error err = {0};
	int r;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	r = step_make(g, s, &err);
	if (r < 0) {
		const char *texts[] = {err.object, err.cause, err.remedy};

		for (size_t i = 0; i < 3; i++) {
			const char *text = texts[i] ? texts[i] : "";

			if (write_all(report_fd, text, strlen(text) + 1) < 0)
				break;
		}
	}
	_exit(r < 0 ? 1 : 0);
}

static int start(struct graph *g, struct step *s, struct error *err)
{
	_cleanup_strv_ struct strv reasons = {0};
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, -errno, s->id, "pipe");
	step_reasons(g, s, &reasons);
	free(s->reason);
	s->reason = inputs_summary(&reasons);
	fflush(NULL);
	event_emit("build.step", "id", s->id, "sentence", s->sentence, "key", s->key, "reason", s->reason, NULL);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		child_main(g, s, fds[1]);
	}
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return error_errno(err, -errno, s->id, "fork");
	}
	s->pid = pid;
	s->report_fd = fds[0];
	s->started = now_ms();
	return 0;
}

static int take_report(struct step *s, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	const char *texts[3] = {"", "", ""};
	struct blob rest;

	if (read_fd(s->report_fd, 1 << 20, &text) < 0)
		text.n = 0;
	rest = strbuf_blob(&text);
	for (size_t i = 0; i < 3; i++) {
		const char *end = memchr(rest.p, 0, rest.n);

		if (!end)
			break;
		texts[i] = rest.p;
		rest.n -= (size_t)(end + 1 - rest.p);
		rest.p = end + 1;
	}
	return error_set(err, -ECANCELED, *texts[0] ? texts[0] : s->id, *texts[2] ? texts[2] : NULL,
			 "%s", *texts[1] ? texts[1] : "its process was killed");
}

/* Waits for one step to end. */
static int reap(struct graph *g, struct error *err)
{
	int status, r = 0;
	pid_t pid;

	do
		pid = waitpid(-1, &status, 0);
	while (pid < 0 && errno == EINTR);
	if (pid < 0)
		return error_errno(err, -errno, "build", "wait");
	for (size_t i = 0; i < g->n_steps; i++) {
		struct step *s = g->steps[i];

		if (s->pid != pid)
			continue;
		s->pid = 0;
		if (!WIFEXITED(status) || WEXITSTATUS(status)) {
			r = take_report(s, err);
		} else {
			s->present = true;
			history_write(g->store, s->id, &s->inputs, now_ms() - s->started);
			if (!g->options->quiet)
				printf("%7.1f s  %s: %s (%s)\n", (double)(now_ms() - s->started) / 1000,
				       s->id, s->sentence, s->reason);
			event_emit("build.done", "id", s->id, "key", s->key, NULL);
		}
		close(s->report_fd);
		s->report_fd = -1;
	}
	return r;
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

static void stop_all(struct graph *g)
{
	for (size_t i = 0; i < g->n_steps; i++)
		if (g->steps[i]->pid)
			kill(g->steps[i]->pid, SIGTERM);
	while (count_running(g) && reap(g, NULL) != -ECHILD)
		;
}

/* One round: marks, starts what can start. 1: all goals are present. */
static int advance(struct graph *g, struct step *const *goals, size_t n, struct error *err)
{
	unsigned running = count_running(g), jobs = g->options->jobs ? g->options->jobs : 2;
	bool done = true;
	int r = graph_mark(g, goals, n, err);

	for (size_t i = 0; r == 0 && i < g->n_steps && running < jobs; i++)
		if (is_ready(g->steps[i])) {
			r = start(g, g->steps[i], err);
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
	int r;

	while ((r = advance(g, goals, n, err)) == 0)
		if ((r = reap(g, err)) < 0)
			break;
	if (r < 0)
		stop_all(g);
	else
		remember(g);
	return r < 0 ? r : 0;
}
