/*
 * What a build shows while it runs. On a terminal: a line for each running step, with its time and
 * that of the last run, and one for the whole, drawn anew twice a second. Elsewhere: a line when a
 * step starts. In both: a line when a step is done. How long is left comes from the last run's times.
 */
#pragma once

#include "builder/graph.h"

struct display {
	const struct graph *graph;
	bool quiet, terminal;
	size_t lines; /* drawn and still there */
	size_t done;  /* steps of this run */
};

void display_start(struct display *d, const struct graph *g);
void display_end(struct display *d);
/* How long to wait at most before the next draw, in milliseconds; -1: as long as nothing happens. */
int display_interval(const struct display *d);
void display_draw(struct display *d);
void display_begun(struct display *d, const struct step *s);
void display_finished(struct display *d, const struct step *s, int64_t ms);

/*
 * Milliseconds until all needed steps are done, as far as the last run tells: what `jobs` at a time
 * need, and not less than the longest chain. *known: false when a step's time is not known.
 */
int64_t display_time_left(const struct graph *g, int64_t now, bool *known);
