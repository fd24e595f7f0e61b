/*
 * Waits for changes of files that others replace whenever they like, and whose folders may not be there yet. Nothing is
 * missed, also not while the caller is at work on the change before: the kernel keeps what happens for the next wait.
 */
#pragma once

#include <stddef.h>

#include "common/base/error.h"

enum { FOLLOW_WATCHES_MAX = 64 };

struct follow {
	int fd;
	const char *root; /* the paths are below it */
	const char *const *paths;
	size_t n_paths, n;
	struct {
		int wd;
		const char *name; /* the next part of the path, not terminated */
		size_t length;
	} watches[FOLLOW_WATCHES_MAX];
};

/* For absolute paths, which stay the caller's; *f must stay where it is. */
int follow_begin(struct follow *f, const char *root, const char *const *paths, size_t n, struct error *err);
/* Returns 0 once one of the files has come, gone or been written and then all were quiet for `quiet_ms`. */
int follow_wait(struct follow *f, int quiet_ms, struct error *err);
void follow_end(struct follow *f);
