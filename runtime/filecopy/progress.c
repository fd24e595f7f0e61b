#include "runtime/filecopy/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/blob.h"
#include "runtime/filecopy/protocol.h"

#define REDRAW_SECONDS 0.2

void progress_start(struct progress *p, enum progress_kind kind, uint64_t total)
{
	*p = (struct progress){.kind = kind, .gui_fd = -1, .total = total};
	clock_gettime(CLOCK_MONOTONIC, &p->start);
	p->drawn = p->start;
}

void progress_from_environment(struct progress *p)
{
	const char *type = getenv("PROGRESS_TYPE"), *bytes = getenv("FILECOPY_TOTAL_BYTES"), *fd = getenv("SAVED_FD_1");
	uint64_t total = 0, gui_fd = 0;
	/* Our own stdout is the stream. */
	bool has_fd = blob_to_u64(blob_of(fd ? fd : ""), 1 << 20, &gui_fd);

	blob_to_u64(blob_of(bytes ? bytes : ""), UINT64_MAX, &total);
	progress_start(p, !type				       ? PROGRESS_NONE
			  : !strcmp(type, "console")	       ? PROGRESS_CONSOLE
			  : !strcmp(type, "gui") && has_fd ? PROGRESS_GUI
							   : PROGRESS_NONE,
		       total);
	p->gui_fd = (int)gui_fd;
}

static double seconds_between(struct timespec a, struct timespec b)
{
	return (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
}

void progress_line(const struct progress *p, double seconds, char *line, size_t size)
{
	double rate = seconds > 0 ? (double)p->sent / seconds : 0;
	int n = snprintf(line, size, "sent %llu", (unsigned long long)(p->sent / 1024));

	if (p->total)
		n += snprintf(line + n, size - (size_t)n, "/%llu", (unsigned long long)(p->total / 1024));
	n += snprintf(line + n, size - (size_t)n, " KB, %.1f MB/s", rate / 1e6);
	if (p->total > p->sent && rate > 0) {
		double left = (double)(p->total - p->sent) / rate;
		unsigned long s = left < 359999 ? (unsigned long)left : 359999;

		snprintf(line + n, size - (size_t)n, ", %lu:%02lu:%02lu left", s / 3600, s / 60 % 60, s % 60);
	}
}

static void draw(struct progress *p, struct timespec now)
{
	char line[128];

	progress_line(p, seconds_between(p->start, now), line, sizeof(line));
	fprintf(stderr, "\r%s\033[K", line);
	fflush(stderr);
	p->drawn = now;
	p->visible = true;
}

void progress_add(struct progress *p, uint64_t bytes)
{
	struct timespec now;

	p->sent += bytes;
	if (p->kind == PROGRESS_CONSOLE) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (seconds_between(p->drawn, now) >= REDRAW_SECONDS)
			draw(p, now);
	} else if (p->kind == PROGRESS_GUI && p->sent - p->reported >= FILECOPY_NOTIFY) {
		dprintf(p->gui_fd, "%llu\n", (unsigned long long)p->sent);
		p->reported = p->sent;
	}
}

void progress_end(struct progress *p)
{
	struct timespec now;

	if (p->kind == PROGRESS_CONSOLE) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		draw(p, now);
		fputc('\n', stderr);
	} else if (p->kind == PROGRESS_GUI) {
		dprintf(p->gui_fd, "%llu\n", (unsigned long long)p->sent);
	}
	p->kind = PROGRESS_NONE;
}
