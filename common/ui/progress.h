/*
 * How far a long copy or check is: one line on stderr that is drawn anew, with rate and time to go, where stderr is a
 * terminal; events of the name "progress" where somebody reads them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *what; /* "writing", the caller's */
	uint64_t total, done;
	int64_t started, shown; /* milliseconds */
	bool terminal;
};

void progress_start(struct progress *p, const char *what, uint64_t total, bool quiet);
/* Draws at most five times a second. */
void progress_add(struct progress *p, uint64_t bytes);
/* Clears the line. */
void progress_end(struct progress *p);
/* Megabytes a second since the start. */
double progress_rate(const struct progress *p);
