/* The progress line of a download, on stderr; inside builder/fetch/. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "builder/fetch/fetch.h"

struct fetch_progress {
	bool quiet, terminal;
	size_t files, of_files;
	uint64_t bytes, of_bytes;
	int64_t started, shown; /* milliseconds */
	struct fetch_status *status;
};

void fetch_progress_start(struct fetch_progress *p, const struct fetch_options *o, size_t files, uint64_t bytes);
/* `bytes`: received in all, of finished and running files. Draws at most five times a second. */
void fetch_progress_show(struct fetch_progress *p, size_t files, uint64_t bytes);
/* Clears the line; says what was fetched when it is worth a line. */
void fetch_progress_end(struct fetch_progress *p, bool ok);
