/* A growing byte buffer, always followed by a NUL that is not counted. Zero-initialise it. */
#pragma once

#include <stddef.h>

#include "common/base/blob.h"
#include "common/base/cleanup.h"

struct strbuf {
	char *p;
	size_t n, cap;
};

void strbuf_add(struct strbuf *s, const void *data, size_t n);
void strbuf_add_str(struct strbuf *s, const char *text);
void strbuf_add_char(struct strbuf *s, char c);
/* As one word of a shell, in quotes. */
void strbuf_add_quoted(struct strbuf *s, const char *word);
void strbuf_printf(struct strbuf *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Room for `n` more bytes; returns where they go. The caller adds to s->n what it filled. */
char *strbuf_reserve(struct strbuf *s, size_t n);
/* The text (never NULL), now the caller's; the buffer is empty again. */
char *strbuf_steal(struct strbuf *s);
/* Forgets the content, keeps the memory. */
void strbuf_reset(struct strbuf *s);
void strbuf_free(struct strbuf *s);

static inline struct blob strbuf_blob(const struct strbuf *s)
{
	return (struct blob){s->p ? s->p : "", s->n};
}

#define _cleanup_strbuf_ _cleanup_(strbuf_free)
