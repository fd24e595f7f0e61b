/* Short ordered lists of (name, text): properties, features, XML attributes. Order of insertion is
 * kept. */
#pragma once

#include <stddef.h>

struct kv {
	char *key, *value;
};

struct kvlist {
	struct kv *v;
	size_t n;
};

/* The value, or NULL; stays the list's. */
const char *kv_get(const struct kvlist *l, const char *key);
/* Adds or replaces; copies both. */
void kv_set(struct kvlist *l, const char *key, const char *value);
/* 0, or -ENOENT. */
int kv_del(struct kvlist *l, const char *key);
void kv_free(struct kvlist *l);
