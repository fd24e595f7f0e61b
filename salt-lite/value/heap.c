#include <stdarg.h>

#include "common/base/alloc.h"
#include "salt-lite/value/value.h"

enum { HEAP_MAX = 256 << 20 };

void heap_init(struct heap *h, struct arena *a, struct error *err)
{
	*h = (struct heap){.arena = a, .bytes_max = HEAP_MAX, .error = err};
}

void *heap_alloc(struct heap *h, size_t n)
{
	if (n > h->bytes_max - h->bytes)
		heap_fail(h, "it needs more than %u MiB of memory", HEAP_MAX >> 20);
	h->bytes += n;
	return arena_alloc(h->arena, n);
}

static char *place(const struct heap *h)
{
	char *at = h->line ? xasprintf("%s:%u", h->file ? h->file : "-", h->line)
			   : xstrdup(h->file ? h->file : "-");

	for (const struct heap_frame *f = h->frames; f; f = f->up) {
		char *longer = xasprintf("%s (from %s:%u)", at, f->file, f->line);

		free(at);
		at = longer;
	}
	return at;
}

static _Noreturn __attribute__((format(printf, 3, 0))) void fail(struct heap *h, const char *remedy, const char *fmt, va_list ap)
{
	_cleanup_free_ char *at = place(h);
	char *cause = NULL;

	if (vasprintf(&cause, fmt, ap) < 0)
		abort();
	error_set(h->error, -EINVAL, at, remedy, "%s", cause);
	free(cause);
	free(take_ptr(at));
	if (!h->escape)
		abort();
	siglongjmp(*h->escape, 1);
}

void heap_fail(struct heap *h, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail(h, NULL, fmt, ap);
}

void heap_fail_remedy(struct heap *h, const char *remedy, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail(h, remedy, fmt, ap);
}

int heap_try(struct heap *h, void (*fn)(struct heap *h, void *data), void *data)
{
	struct heap saved = *h;
	sigjmp_buf here;
	int r = 0;

	if (sigsetjmp(here, 0) == 0) {
		h->escape = &here;
		fn(h, data);
	} else {
		r = -EINVAL;
	}
	h->escape = saved.escape;
	h->file = saved.file;
	h->line = saved.line;
	h->frames = saved.frames;
	return r;
}

static void text_room(struct heap *h, struct text *t, size_t n)
{
	size_t cap = t->cap ? t->cap : 64;
	char *p;

	if (n > STRING_MAX || t->n + n > STRING_MAX)
		heap_fail(h, "a text grows beyond %u MiB", STRING_MAX >> 20);
	if (t->n + n < t->cap)
		return;
	while (cap < t->n + n + 1)
		cap *= 2;
	p = heap_alloc(h, cap);
	if (t->n)
		memcpy(p, t->p, t->n);
	t->p = p;
	t->cap = cap;
}

void text_add(struct heap *h, struct text *t, struct blob piece)
{
	text_room(h, t, piece.n);
	if (piece.n)
		memcpy(t->p + t->n, piece.p, piece.n);
	t->n += piece.n;
	t->p[t->n] = 0;
}

void text_add_str(struct heap *h, struct text *t, const char *piece)
{
	text_add(h, t, blob_of(piece));
}

void text_add_char(struct heap *h, struct text *t, char c)
{
	text_add(h, t, (struct blob){&c, 1});
}

void text_printf(struct heap *h, struct text *t, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		heap_fail(h, "cannot format a text");
	text_room(h, t, (size_t)n + 1);
	vsnprintf(t->p + t->n, (size_t)n + 1, fmt, again);
	va_end(again);
	t->n += (size_t)n;
}

struct blob text_blob(const struct text *t)
{
	return (struct blob){t->p ? t->p : "", t->n};
}
