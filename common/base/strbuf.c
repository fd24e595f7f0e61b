#include "common/base/strbuf.h"

#include <stdarg.h>
#include <stdint.h>

#include "common/base/alloc.h"

char *strbuf_reserve(struct strbuf *s, size_t n)
{
	size_t need;

	if (__builtin_add_overflow(s->n, n, &need) || __builtin_add_overflow(need, (size_t)1, &need))
		abort();
	if (need > s->cap) {
		size_t cap = s->cap ? s->cap : 64;

		while (cap < need)
			cap = cap > SIZE_MAX / 2 ? need : cap * 2;
		s->p = xrealloc(s->p, cap);
		s->cap = cap;
	}
	s->p[s->n] = '\0';
	return s->p + s->n;
}

void strbuf_add(struct strbuf *s, const void *data, size_t n)
{
	char *at = strbuf_reserve(s, n);

	if (n)
		memcpy(at, data, n);
	s->n += n;
	s->p[s->n] = '\0';
}

void strbuf_add_str(struct strbuf *s, const char *text)
{
	strbuf_add(s, text, strlen(text));
}

void strbuf_add_char(struct strbuf *s, char c)
{
	strbuf_add(s, &c, 1);
}

void strbuf_add_quoted(struct strbuf *s, const char *word)
{
	strbuf_add_char(s, '\'');
	for (; *word; word++)
		if (*word == '\'')
			strbuf_add_str(s, "'\\''");
		else
			strbuf_add_char(s, *word);
	strbuf_add_char(s, '\'');
}

void strbuf_printf(struct strbuf *s, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (n < 0)
		abort();
	strbuf_reserve(s, (size_t)n);
	va_start(args, fmt);
	vsnprintf(s->p + s->n, (size_t)n + 1, fmt, args);
	va_end(args);
	s->n += (size_t)n;
}

char *strbuf_steal(struct strbuf *s)
{
	char *p;

	strbuf_reserve(s, 0);
	p = s->p;
	*s = (struct strbuf){0};
	return p;
}

void strbuf_reset(struct strbuf *s)
{
	s->n = 0;
	if (s->p)
		s->p[0] = '\0';
}

void strbuf_free(struct strbuf *s)
{
	free(s->p);
	*s = (struct strbuf){0};
}
