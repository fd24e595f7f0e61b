/*
 * Allocation that cannot fail: on out of memory the process says so and aborts. Fit for Bulkhead because every
 * input is bounded before it is stored; a failed allocation is then the machine's trouble, not the input's.
 */
#pragma once

#include <stddef.h>

void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull, alloc_size(1)));
/* Zeroed, with the multiplication checked. */
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull, alloc_size(1, 2)));
void *xrealloc(void *p, size_t n) __attribute__((returns_nonnull, alloc_size(2)));
/* Grows an array to `count` members of `size` bytes, with the multiplication checked. */
void *xreallocarray(void *p, size_t count, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), returns_nonnull));
