#include "runtime/qubesd/hypervisor.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/strbuf.h"
#include "common/sys/process.h"
#include "runtime/domid.h"
#include "runtime/qubesd/domains.h"
#include "runtime/qubesd/lifecycle.h"
#include "runtime/qubesd/xl/protocol.h"

enum {
	OPERATION_TIMEOUT = 300, /* seconds; building a domain takes some in emulation */
	WATCH_RETRY = 2,
	WATCH_LIST_TIMEOUT = 60, /* seconds for the first list of domains, which starts wait for */
	LINE_MAX_LEN = 4096,
};

struct watch {
	struct qubesd *d;
	pid_t pid;
	int fd;
	struct strbuf in;
	char *error; /* what it said is wrong, or NULL */
	sd_event_source *io, *exit, *retry, *limit;
};

int hypervisor_run(struct qubesd *d, const char *op, int domid, struct blob input,
		   child_done_fn done, void *user, struct child **child)
{
	_cleanup_arena_ struct arena *a = arena_new();
	const char *argv[] = {qubesd_program(d, a, "/usr/lib/qubes/qubesd-xl"), op, NULL, NULL};

	if (domid >= 0)
		argv[2] = arena_printf(a, "%d", domid);
	return child_start(d->event,
			   &(struct child_spec){.argv = argv,
						.input = input,
						.capture = true,
						.timeout = OPERATION_TIMEOUT},
			   done, user, child);
}

const char *hypervisor_answer(struct arena *a, int status, const char *out, const char **cause)
{
	struct blob rest = blob_of(out), line;

	*cause = status == -ETIMEDOUT ? "the hypervisor helper took too long"
		 : status > 128	      ? "the hypervisor helper crashed"
				      : "the hypervisor helper gave no answer";
	while (blob_token(&rest, '\n', &line)) {
		if (blob_has_prefix(line, XL_ERROR " "))
			*cause = arena_strndup(a, line.p + strlen(XL_ERROR) + 1,
					       line.n - strlen(XL_ERROR) - 1);
		if (blob_eq_str(line, XL_OK))
			return status == 0 ? "" : NULL;
		if (blob_has_prefix(line, XL_OK " "))
			return status == 0 ? arena_strndup(a, line.p + 3, line.n - 3) : NULL;
	}
	return NULL;
}

bool hypervisor_lost(int status)
{
	return status == -ETIMEDOUT || status > 128;
}

bool hypervisor_short(const char *out, uint64_t *need, uint64_t *free_mib)
{
	struct blob rest = blob_of(out), line, word, first, second;

	while (blob_token(&rest, '\n', &line))
		if (blob_word(&line, &word) && blob_eq_str(word, XL_SHORT) && blob_word(&line, &first) &&
		    blob_word(&line, &second) && blob_to_u64(first, UINT32_MAX, need) &&
		    blob_to_u64(second, UINT32_MAX, free_mib))
			return true;
	return false;
}

/* `machine TYPE IOMMU`, `domain DOMID UUID STATE`, `gone DOMID`, `ready`, `error TEXT`: xl/protocol.h. Each time `ready` ends a
 * complete list. */
static void watch_line(struct watch *w, struct blob line)
{
	struct blob word, id, uuid, state;
	uint64_t domid;

	if (!blob_word(&line, &word))
		return;
	if (blob_eq_str(word, XL_READY)) {
		w->limit = sd_event_source_disable_unref(w->limit);
		domains_listed(w->d);
		return;
	}
	if (blob_eq_str(word, XL_ERROR)) {
		free(w->error);
		w->error = blob_dup(blob_trim(line));
		return;
	}
	if (!blob_word(&line, &id))
		return;
	if (blob_eq_str(word, XL_MACHINE)) {
		w->d->model->pv_only = blob_eq_str(id, "pv");
		w->d->model->no_iommu = blob_word(&line, &state) && blob_eq_str(state, "no-iommu");
	}
	if (!blob_to_u64(id, XEN_DOMID_MAX, &domid))
		return;
	if (blob_eq_str(word, XL_GONE))
		domains_gone(w->d, (int)domid);
	else if (blob_eq_str(word, XL_DOMAIN) && blob_word(&line, &uuid) &&
		 blob_word(&line, &state))
		domains_seen(w->d, (int)domid, uuid, state);
}

/* As read(2). */
static ssize_t watch_read(struct watch *w)
{
	ssize_t n = read(w->fd, strbuf_reserve(&w->in, LINE_MAX_LEN), LINE_MAX_LEN);
	const char *nl;

	if (n <= 0)
		return n;
	w->in.n += (size_t)n;
	while ((nl = memchr(w->in.p, '\n', w->in.n))) {
		struct blob line = {w->in.p, (size_t)(nl - w->in.p)};

		watch_line(w, line);
		memmove(w->in.p, nl + 1, w->in.n - line.n - 1);
		w->in.n -= line.n + 1;
	}
	if (w->in.n > LINE_MAX_LEN)
		strbuf_reset(&w->in);
	return n;
}

static int on_watch_line(sd_event_source *s, int fd, uint32_t revents, void *user)
{
	ssize_t n = watch_read(user);

	(void)fd;
	(void)revents;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		sd_event_source_set_enabled(s, SD_EVENT_OFF);
	return 0;
}

static int watch_start(struct watch *w);

static int on_watch_retry(sd_event_source *s, uint64_t usec, void *user);

static void start_later(struct watch *w)
{
	w->retry = sd_event_source_disable_unref(w->retry);
	sd_event_add_time_relative(w->d->event, &w->retry, CLOCK_MONOTONIC, WATCH_RETRY * UINT64_C(1000000), 0,
				   on_watch_retry, w);
}

static int on_watch_retry(sd_event_source *s, uint64_t usec, void *user)
{
	int r = watch_start(user);

	(void)s;
	(void)usec;
	if (r < 0) {
		fprintf(stderr, "qubesd: cannot start the watcher of domains: %s\n", strerror(-r));
		start_later(user);
	}
	return 0;
}

/*
 * Where it is not known which qubes run, a start might be of one that does: it is refused. Later what waits is tried: the
 * helper that makes domains can say what is wrong.
 */
static void end_waiting(struct watch *w)
{
	if (w->d->model->unheard)
		lifecycle_start_early(w->d, w->error ? w->error : "the watcher of domains ended");
	else if (!w->d->domains_known)
		lifecycle_start_early(w->d, NULL);
}

static int on_watch_exit(sd_event_source *s, const siginfo_t *si, void *user)
{
	struct watch *w = user;

	(void)s;
	fprintf(stderr, "qubesd: the watcher of domains ended with %d, starting it again\n",
		si->si_status);
	while (watch_read(w) > 0) /* its last words */
		;
	w->limit = sd_event_source_disable_unref(w->limit);
	w->io = sd_event_source_disable_unref(w->io);
	close(take_fd(&w->fd));
	strbuf_reset(&w->in);
	end_waiting(w);
	free(take_ptr(w->error));
	w->d->domains_known = false;
	for (size_t i = 0; i < w->d->model->n_vms; i++)
		w->d->model->vms[i]->seen = false; /* the next list tells of all again */
	qubesd_ready();
	start_later(w);
	return 0;
}

/* It hangs: its end is seen by on_watch_exit(). */
static int on_watch_silent(sd_event_source *s, uint64_t usec, void *user)
{
	struct watch *w = user;

	(void)s;
	(void)usec;
	fprintf(stderr, "qubesd: the watcher of domains has told nothing for %d s\n", WATCH_LIST_TIMEOUT);
	kill(w->pid, SIGKILL);
	return 0;
}

static int watch_start(struct watch *w)
{
	_cleanup_arena_ struct arena *a = arena_new();
	const char *const argv[] = {qubesd_program(w->d, a, "/usr/lib/qubes/qubesd-xl"), "watch",
				    NULL};
	struct process p = {.argv = argv, .null_stdin = 1};
	_cleanup_close_ int to = -1;
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	w->fd = fds[0];
	p.stdout_fd = to = fds[1];
	fcntl(w->fd, F_SETFL, O_NONBLOCK);
	w->pid = process_spawn(&p);
	if (w->pid < 0) {
		close(take_fd(&w->fd));
		return (int)w->pid;
	}
	w->exit = sd_event_source_disable_unref(w->exit);
	r = sd_event_add_io(w->d->event, &w->io, w->fd, EPOLLIN, on_watch_line, w);
	if (r >= 0)
		r = sd_event_add_child(w->d->event, &w->exit, w->pid, WEXITED, on_watch_exit, w);
	if (r >= 0)
		r = sd_event_add_time_relative(w->d->event, &w->limit, CLOCK_MONOTONIC,
					       WATCH_LIST_TIMEOUT * UINT64_C(1000000), 0, on_watch_silent, w);
	if (r >= 0)
		return 0;
	w->exit = sd_event_source_disable_unref(w->exit);
	w->io = sd_event_source_disable_unref(w->io);
	close(take_fd(&w->fd));
	kill(w->pid, SIGKILL);
	process_wait(w->pid);
	return r;
}

int hypervisor_watch(struct qubesd *d)
{
	d->watch = xcalloc(1, sizeof(*d->watch));
	*d->watch = (struct watch){.d = d, .fd = -1};
	return watch_start(d->watch);
}

void hypervisor_watch_free(struct qubesd *d)
{
	if (d->watch) {
		strbuf_free(&d->watch->in);
		free(d->watch->error);
	}
	free(d->watch);
	d->watch = NULL;
}
