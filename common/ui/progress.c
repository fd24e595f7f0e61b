#include "common/ui/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "common/sys/clock.h"
#include "common/ui/event.h"

enum { DRAW_MS = 200 };

/* "1:05:09", "5:09", "9 s" */
static void duration_text(int64_t seconds, char text[24])
{
	long long s = seconds < 0 ? 0 : seconds > 359999 ? 359999 : seconds;

	if (s >= 3600)
		snprintf(text, 24, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
	else if (s >= 60)
		snprintf(text, 24, "%lld:%02lld", s / 60, s % 60);
	else
		snprintf(text, 24, "%lld s", s);
}

void progress_start(struct progress *p, const char *what, uint64_t total, bool quiet)
{
	*p = (struct progress){.what = what, .total = total, .started = now_ms()};
	p->terminal = !quiet && isatty(STDERR_FILENO);
}

double progress_rate(const struct progress *p)
{
	int64_t ms = now_ms() - p->started;

	return (double)p->done / 1e3 / (double)(ms > 0 ? ms : 1);
}

static void draw(const struct progress *p)
{
	double rate = progress_rate(p);
	char left[24];

	duration_text((int64_t)((double)(p->total - p->done) / 1e6 / (rate > 0.01 ? rate : 0.01)), left);
	fprintf(stderr, "\r%s: %d %%, %.0f of %.0f MB, %.1f MB/s, %s to go\033[K", p->what,
		(int)(p->total ? p->done * 100 / p->total : 100), (double)p->done / 1e6, (double)p->total / 1e6, rate,
		left);
}

void progress_add(struct progress *p, uint64_t bytes)
{
	int64_t now = now_ms();
	char done[24], total[24];

	p->done = bytes > p->total - p->done ? p->total : p->done + bytes;
	if (now - p->shown < DRAW_MS)
		return;
	p->shown = now;
	if (p->terminal)
		draw(p);
	snprintf(done, sizeof(done), "%" PRIu64, p->done);
	snprintf(total, sizeof(total), "%" PRIu64, p->total);
	event_emit("progress", "what", p->what, "done", done, "total", total, NULL);
}

void progress_end(struct progress *p)
{
	if (p->terminal)
		fputs("\r\033[K", stderr);
}
