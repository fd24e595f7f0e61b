/*
 * A log of lines that outlives a power cut: a line is on the disk when journal_append() returns, carries a check of its
 * own, and what was torn off in the middle is cut away when the log is opened again. No secrets go in.
 *
 *   the first 16 digits of SHA-256 of the text, a blank, the text, a line end
 */
#pragma once

#include <stdbool.h>

#include "common/base/strbuf.h"

/*
 * Opens or creates the log for appending, cuts off a torn end, and adds its lines, without their checks, to *text (may
 * be NULL). Returns the descriptor or -errno; -EFBIG beyond 1 MiB.
 */
int journal_open(int dirfd, const char *path, struct strbuf *text);
/* One line of text without a line end in it. */
int journal_append(int fd, const char *text);
/* The same without waiting for the disk: many lines, then one fsync() by the caller. */
int journal_note(int fd, const char *text);
/* Cuts the next line off a log as it lies in a file; false at its end and at the first line that does not hold. */
bool journal_next(struct blob *rest, struct blob *line);
