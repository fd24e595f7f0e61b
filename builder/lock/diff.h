/* What one lock has and the other has not, for a person to read. */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "builder/lock/lock.h"

struct lock_changes {
	size_t added, removed, changed; /* changed: other version or other bytes */
};

/*
 * Prints a line per difference to `to`, sorted by name, as "+ name version", "- name version",
 * "~ name old -> new" and "! name version: same version, other bytes"; nothing when they are equal.
 * `to` may be NULL: only counted. Both locks were read or formatted.
 */
struct lock_changes lock_diff_print(FILE *to, const struct lock *old, const struct lock *new);
/* "2 added, 1 removed, 3 changed"; the caller frees. */
char *lock_changes_text(const struct lock_changes *c);
