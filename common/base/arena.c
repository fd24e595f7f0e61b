#include "common/base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "common/base/alloc.h"

enum { CHUNK_BYTES = 16 * 1024, ALIGNMENT = 16 };

struct chunk {
	struct chunk *next;
	size_t used, size;
	_Alignas(ALIGNMENT) char data[];
};

struct arena {
	struct chunk *chunks;
};

struct arena *arena_new(void)
{
	return xcalloc(1, sizeof(struct arena));
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	while (a->chunks) {
		struct chunk *next = a->chunks->next;

		free(a->chunks);
		a->chunks = next;
	}
	free(a);
}

void *arena_alloc(struct arena *a, size_t n)
{
	struct chunk *c = a->chunks;
	size_t rounded;

	if (__builtin_add_overflow(n, (size_t)(ALIGNMENT - 1), &rounded))
		abort();
	rounded &= ~(size_t)(ALIGNMENT - 1);
	if (!c || c->size - c->used < rounded) {
		size_t size = rounded > CHUNK_BYTES ? rounded : CHUNK_BYTES;

		c = xcalloc(1, sizeof(*c) + size);
		c->size = size;
		c->next = a->chunks;
		a->chunks = c;
	}
	c->used += rounded;
	return c->data + c->used - rounded;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *copy = arena_alloc(a, len + 1);

	memcpy(copy, s, len);
	return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, SIZE_MAX);
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list args;
	char *s;
	int n;

	va_start(args, fmt);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (n < 0)
		abort();
	s = arena_alloc(a, (size_t)n + 1);
	va_start(args, fmt);
	vsnprintf(s, (size_t)n + 1, fmt, args);
	va_end(args);
	return s;
}
