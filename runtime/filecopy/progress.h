/* How far a copy has come, for a person: a line that is drawn again, or numbers for a program that draws a bar. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum progress_kind { PROGRESS_NONE, PROGRESS_CONSOLE, PROGRESS_GUI };

struct progress {
	enum progress_kind kind;
	int gui_fd;	/* PROGRESS_GUI: gets the bytes sent, a line each time */
	uint64_t total; /* 0: not known */
	uint64_t sent, reported;
	struct timespec start, drawn;
	bool visible;
};

/* From PROGRESS_TYPE, FILECOPY_TOTAL_BYTES and SAVED_FD_1 in the environment. */
void progress_from_environment(struct progress *p);
void progress_start(struct progress *p, enum progress_kind kind, uint64_t total);
void progress_add(struct progress *p, uint64_t bytes);
/* Ends the line. */
void progress_end(struct progress *p);
/* The line for that many bytes after so many seconds, without its end; `size` of 128 is always enough. */
void progress_line(const struct progress *p, double seconds, char *line, size_t size);
