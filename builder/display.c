#include "builder/display.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/clock.h"
#include "common/ui/event.h"

enum { DRAW_MS = 500, WIDTH_DEFAULT = 80 };

void display_start(struct display *d, const struct graph *g)
{
	*d = (struct display){.graph = g, .quiet = g->options->quiet};
	d->terminal = !d->quiet && isatty(STDERR_FILENO);
}

int display_interval(const struct display *d)
{
	return d->terminal ? DRAW_MS : -1;
}

/* "1:05:09", "5:09", "0:09" */
static char *duration(int64_t ms)
{
	int64_t s = ms < 0 ? 0 : (ms + 500) / 1000;

	if (s >= 3600)
		return xasprintf("%" PRId64 ":%02" PRId64 ":%02" PRId64, s / 3600, s / 60 % 60, s % 60);
	return xasprintf("%" PRId64 ":%02" PRId64, s / 60, s % 60);
}

static bool is_ahead(const struct step *s)
{
	return s->needed && !s->present;
}

/* What a step still takes. */
static int64_t rest_of(const struct step *s, int64_t now)
{
	int64_t ms = s->last_ms > 0 ? s->last_ms : 0;

	if (!is_ahead(s))
		return 0;
	if (!s->pid)
		return ms;
	return ms > now - s->started ? ms - (now - s->started) : 0;
}

static size_t index_of(const struct graph *g, const struct step *s, size_t before)
{
	size_t i = 0;

	while (i < before && g->steps[i] != s)
		i++;
	return i;
}

int64_t display_time_left(const struct graph *g, int64_t now, bool *known)
{
	_cleanup_free_ int64_t *end = xcalloc(g->n_steps + 1, sizeof(*end));
	int64_t sum = 0, longest = 0, jobs = g->options->jobs ? g->options->jobs : 2;

	*known = true;
	for (size_t i = 0; i < g->n_steps; i++) {
		const struct step *s = g->steps[i];

		if (!is_ahead(s))
			continue;
		*known &= s->last_ms > 0;
		for (size_t k = 0; k < s->n_deps; k++) {
			size_t dep = index_of(g, s->deps[k], i);

			if (dep < i && end[dep] > end[i])
				end[i] = end[dep];
		}
		end[i] += rest_of(s, now);
		sum += rest_of(s, now);
		longest = end[i] > longest ? end[i] : longest;
	}
	return sum / jobs > longest ? sum / jobs : longest;
}

static size_t count_ahead(const struct graph *g)
{
	size_t n = 0;

	for (size_t i = 0; i < g->n_steps; i++)
		n += is_ahead(g->steps[i]);
	return n;
}

/* "about 2:10 to go", "at least 2:10 to go", or "" when nothing is known. The caller's. */
static char *time_left(const struct graph *g)
{
	bool known;
	int64_t left = display_time_left(g, now_ms(), &known);
	_cleanup_free_ char *text = duration(left);

	if (!known && left < 1000)
		return xstrdup("");
	return xasprintf(", %s %s to go", known ? "about" : "at least", text);
}

static void clear(struct display *d)
{
	if (d->lines)
		fprintf(stderr, "\r\033[%zuA\033[J", d->lines);
	d->lines = 0;
}

static size_t width(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 10 ? size.ws_col : WIDTH_DEFAULT;
}

/* Cut at the edge: a line that wraps would be two. */
static void draw_line(struct display *d, const char *text)
{
	fprintf(stderr, "%.*s\n", (int)width() - 1, text);
	d->lines++;
}

static void draw_step(struct display *d, const struct step *s)
{
	const struct fetch_status *f = s->fetch_status;
	_cleanup_free_ char *spent = duration(now_ms() - s->started), *last = duration(s->last_ms), *text = NULL,
			    *fetch = NULL;

	if (f && f->bytes < f->of_bytes)
		fetch = xasprintf(", fetching %" PRIu64 " of %" PRIu64 " files, %.1f of %.1f MB", (uint64_t)f->files,
				  (uint64_t)f->of_files, (double)f->bytes / 1e6, (double)f->of_bytes / 1e6);
	text = xasprintf("%8s%s%s  %s: %s%s", spent, s->last_ms > 0 ? " of about " : "", s->last_ms > 0 ? last : "", s->id,
			 s->sentence, fetch ? fetch : "");
	draw_line(d, text);
}

void display_draw(struct display *d)
{
	_cleanup_free_ char *left = NULL, *text = NULL;

	if (!d->terminal)
		return;
	clear(d);
	for (size_t i = 0; i < d->graph->n_steps; i++)
		if (d->graph->steps[i]->pid)
			draw_step(d, d->graph->steps[i]);
	left = time_left(d->graph);
	text = xasprintf("%zu of %zu steps done%s", d->done, d->done + count_ahead(d->graph), left);
	draw_line(d, text);
	fflush(stderr);
}

void display_begun(struct display *d, const struct step *s)
{
	_cleanup_free_ char *left = NULL, *done = xasprintf("%zu", d->done),
			    *of = xasprintf("%zu", d->done + count_ahead(d->graph)), *left_ms = NULL;
	bool known;

	left_ms = xasprintf("%" PRId64, display_time_left(d->graph, now_ms(), &known));
	event_emit("build.step", "id", s->id, "sentence", s->sentence, "key", s->key, "reason", s->reason, "done", done,
		   "of", of, "left-ms", known ? left_ms : "", NULL);
	if (d->quiet || d->terminal)
		return;
	left = time_left(d->graph);
	printf("   starts  %s: %s (%s; %s of %s done%s)\n", s->id, s->sentence, s->reason, done, of, left);
}

void display_finished(struct display *d, const struct step *s, int64_t ms)
{
	_cleanup_free_ char *time = xasprintf("%" PRId64, ms);

	d->done++;
	event_emit("build.done", "id", s->id, "key", s->key, "ms", time, NULL);
	if (d->quiet)
		return;
	clear(d);
	fflush(stderr);
	printf("%7.1f s  %s: %s (%s)\n", (double)ms / 1000, s->id, s->sentence, s->reason);
	fflush(stdout);
}

void display_end(struct display *d)
{
	clear(d);
}
