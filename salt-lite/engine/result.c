/* What a state says of itself. */
#include <stdarg.h>

#include "salt-lite/engine/salt.h"

__attribute__((format(printf, 3, 0))) static void say(struct salt *s, struct chunk *c, const char *fmt, va_list ap)
{
	char *text = NULL;

	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	if (c->result.comment.n)
		text_add_char(&s->h, &c->result.comment, '\n');
	text_add_str(&s->h, &c->result.comment, text);
	free(text);
}

void result_say(struct salt *s, struct chunk *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(s, c, fmt, ap);
	va_end(ap);
}

void result_fail(struct salt *s, struct chunk *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(s, c, fmt, ap);
	va_end(ap);
	c->result.value = RESULT_FALSE;
}

void result_change(struct salt *s, struct chunk *c, const char *what, const struct value *value)
{
	map_set_str(&s->h, c->result.changes, what, value);
	if (s->test && c->result.value == RESULT_TRUE)
		c->result.value = RESULT_WOULD;
}
