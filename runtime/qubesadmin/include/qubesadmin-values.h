/* The words of devices and assignments in the Admin API (ref/runtime.md 7.7). */
#pragma once

#include "common/base/arena.h"
#include "common/base/blob.h"

/*
 * The next key='value' of *rest, with quotes and backslashes escaped by a backslash. 1 and both from the arena, 0 at the
 * end, -EINVAL. Keys are [A-Za-z0-9_.-], values without control characters.
 */
int admin_next_value(struct arena *a, struct blob *rest, const char **key, const char **value);
