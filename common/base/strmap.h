/* Strings to pointers: an open-addressing hash map that copies its keys and does not own its values. */
#pragma once

#include <stddef.h>

#include "common/base/cleanup.h"

struct strmap_entry {
	char *key; /* NULL: free slot */
	void *value;
};

struct strmap {
	struct strmap_entry *slots; /* for walking: `cap` slots, those with a key in no order */
	size_t n, cap;
};

/* Stores or replaces; returns the value that was there, or NULL. Values are never NULL. */
void *strmap_put(struct strmap *m, const char *key, void *value);
void *strmap_get(const struct strmap *m, const char *key);
void strmap_free(struct strmap *m);

#define _cleanup_strmap_ _cleanup_(strmap_free)
