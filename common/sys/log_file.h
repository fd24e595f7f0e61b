/* The log of a daemon in the background: a file that leaves room for others on the disk, whoever brings its lines about. */
#pragma once

/* A file beyond this makes place: it becomes PATH.old, where there is one of them. */
#define LOG_FILE_MAX (4 << 20)

/* stdout and stderr go to the end of the file; nowhere if it cannot be opened. */
void log_file_open(const char *path);
/*
 * Begins the file, which stderr is, anew when it has become too large. To be called before a line is written and before a
 * program is started that inherits stderr; those that run already go on with the old one. NULL: stderr is no file of ours.
 */
void log_file_bound(const char *path);
