/* One arena per request or document: everything in it lives and goes together. */
#pragma once

#include "common/base/blob.h"
#include "common/base/cleanup.h"

struct arena;

struct arena *arena_new(void);
/* NULL is allowed. */
void arena_free(struct arena *a);
/* Zeroed and aligned for any object. */
void *arena_alloc(struct arena *a, size_t n) __attribute__((returns_nonnull));
char *arena_strdup(struct arena *a, const char *s) __attribute__((returns_nonnull));
char *arena_strndup(struct arena *a, const char *s, size_t n) __attribute__((returns_nonnull));
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3), returns_nonnull));

static inline void cleanup_arena(struct arena **a)
{
	arena_free(*a);
}

#define _cleanup_arena_ _cleanup_(cleanup_arena)
