/*
 * A passphrase or password: in pages of its own that are locked, kept out of core dumps and child processes, and
 * wiped when it goes. It is never printed, logged or put into an event or an argument list.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/base/cleanup.h"

struct secret {
	char *p; /* NUL-terminated; NULL: not given */
	size_t n;
};

enum { SECRET_MAX = 512 };

/* Copies at most SECRET_MAX bytes; -E2BIG beyond. Replaces what was there. */
int secret_set(struct secret *s, const char *text);
void secret_wipe(struct secret *s);
/*
 * For the whole process, before the first secret is read: nothing is swapped, no core dump, and freed memory is
 * overwritten, because the YAML parser keeps copies of its own. Best effort: refused limits are no error.
 */
void secret_harden(void);

#define _cleanup_secret_ _cleanup_(secret_wipe)
