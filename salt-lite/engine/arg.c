/* Parameters of states. */
#include <ctype.h>
#include <limits.h>

#include "salt-lite/engine/salt.h"

const struct value *arg(const struct chunk *c, const char *name)
{
	return map_get_str(c->args, name);
}

const char *arg_text(struct salt *s, const struct chunk *c, const char *name, const char *otherwise)
{
	const struct value *v = arg(c, name);

	return v && v->kind != V_NONE ? value_cstr(&s->h, v) : otherwise;
}

bool arg_bool(const struct chunk *c, const char *name, bool otherwise)
{
	const struct value *v = arg(c, name);

	return v ? value_true(v) : otherwise;
}

bool arg_mode(struct salt *s, const struct chunk *c, const char *name, mode_t *mode)
{
	const struct value *v = arg(c, name);
	unsigned long n = ULONG_MAX;
	const char *text, *digits;
	char *end;

	if (!v || v->kind == V_NONE)
		return false;
	text = value_cstr(&s->h, v);
	digits = text + (strncmp(text, "0o", 2) ? 0 : 2);
	/* 0644 without quotes is the number 644: its digits are the mode. */
	if (isdigit((unsigned char)digits[0])) {
		n = strtoul(digits, &end, 8);
		n = *end ? ULONG_MAX : n;
	}
	if (n > 07777)
		heap_fail(&s->h, "'%s' is no mode", text);
	*mode = (mode_t)n;
	return true;
}

const struct value *arg_list(struct salt *s, const struct chunk *c, const char *name)
{
	const struct value *v = arg(c, name);
	struct value *list;

	if (value_is_list(v))
		return v;
	list = list_new(&s->h);
	if (v && v->kind != V_NONE)
		list_push(&s->h, list, v);
	return list;
}
