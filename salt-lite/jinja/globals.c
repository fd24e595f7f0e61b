/* Functions that every template has, and the two ways to format a text. */
#include <ctype.h>

#include "salt-lite/jinja/eval.h"
#include "salt-lite/value/yaml.h"

enum { RANGE_MAX = 100000 };

#define GLOBAL(name) static const struct value *name(struct heap *h, const struct value *self, const struct call *c)

GLOBAL(g_range)
{
	int64_t from = c->n > 1 ? call_int(h, c, 0, NULL, 0) : 0;
	int64_t to = call_int(h, c, c->n > 1, NULL, 0), step = call_int(h, c, 2, NULL, 1);
	struct value *out = list_new(h);

	(void)self;
	if (!step)
		heap_fail(h, "the step of a range cannot be 0");
	for (int64_t i = from; step > 0 ? i < to : i > to;) {
		if (out->list.n == RANGE_MAX)
			heap_fail(h, "a range of more than %d numbers", RANGE_MAX);
		list_push(h, out, value_int(h, i));
		if (__builtin_add_overflow(i, step, &i))
			break;
	}
	return out;
}

GLOBAL(g_dict)
{
	struct value *out = c->n && c->args[0]->kind == V_MAP ? map_copy(h, c->args[0]) : map_new(h);

	(void)self;
	for (size_t i = 0; c->named && i < c->named->map.n; i++)
		map_set(h, out, c->named->map.pairs[i].key, c->named->map.pairs[i].value);
	return out;
}

GLOBAL(g_namespace)
{
	struct value *out = (struct value *)(uintptr_t)g_dict(h, self, c);

	out->object = true;
	return out;
}

GLOBAL(g_raise)
{
	(void)self;
	heap_fail(h, "%s", c->n ? value_cstr(h, c->args[0]) : "raise()");
}

const struct value *global_find(struct heap *h, const char *name)
{
	static const struct {
		const char *name;
		value_function call;
	} globals[] = {{"range", g_range}, {"dict", g_dict}, {"namespace", g_namespace}, {"raise", g_raise}};

	for (size_t i = 0; i < sizeof(globals) / sizeof(globals[0]); i++)
		if (!strcmp(globals[i].name, name))
			return value_function_new(h, globals[i].name, globals[i].call, NULL, NULL);
	return NULL;
}

/* One conversion: flags, width and precision in spec ("-08.3"), its letter last. */
static void convert(struct heap *h, struct text *t, const char *spec, char letter, const struct value *v)
{
	char format[40];
	bool real = strchr("eEfFgG", letter) != NULL;

	if (letter == 's' || letter == 'r') {
		struct blob text = letter == 's' ? value_text(h, v) : value_repr(h, v);

		snprintf(format, sizeof(format), "%%%ss", spec);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		text_printf(h, t, format, arena_strndup(h->arena, text.p, text.n));
		return;
	}
	if (!strchr("dixXoeEfFgG", letter) || !value_is_number(v))
		heap_fail(h, "%s cannot be formatted with %%%c", value_kind_name(v), letter);
	snprintf(format, sizeof(format), real ? "%%%s%c" : "%%%sll%c", spec, letter);
	if (real)
		text_printf(h, t, format, value_number(v));
	else
		text_printf(h, t, format, v->kind == V_INT ? (long long)v->i : (long long)value_number(v));
#pragma GCC diagnostic pop
}

const struct value *format_percent(struct heap *h, struct blob format, const struct value *values)
{
	struct text t = {0};
	size_t used = 0;

	for (size_t i = 0; i < format.n; i++) {
		const struct value *v = values;
		char spec[24] = "";
		size_t n = 0;

		if (format.p[i] != '%') {
			text_add_char(h, &t, format.p[i]);
			continue;
		}
		if (++i < format.n && format.p[i] == '%') {
			text_add_char(h, &t, '%');
			continue;
		}
		if (i < format.n && format.p[i] == '(') {
			const char *end = memchr(format.p + i, ')', format.n - i);
			size_t length = end ? (size_t)(end - format.p) - i - 1 : 0;

			v = end ? map_get(values, value_blob(h, (struct blob){format.p + i + 1, length})) : NULL;
			if (!v)
				heap_fail(h, "a name in the format has no value");
			i += length + 2;
		} else if (values->kind == V_TUPLE) {
			if (used >= values->list.n)
				heap_fail(h, "the format needs more values");
			v = values->list.items[used++];
		}
		while (i < format.n && strchr("-+ #0123456789.", format.p[i]) && n < sizeof(spec) - 1)
			spec[n++] = format.p[i++];
		spec[n] = 0;
		if (i >= format.n || strspn(spec, "-+ #0") + 12 < n)
			heap_fail(h, "the format is not complete");
		convert(h, &t, spec, format.p[i], v);
	}
	if (values->kind == V_TUPLE && used < values->list.n)
		heap_fail(h, "the format has no place for all values");
	return value_blob(h, text_blob(&t));
}

static const struct value *brace_value(struct heap *h, struct blob name, size_t *next, const struct call *c)
{
	struct blob rest = name, part;
	const struct value *v;

	if (!blob_token(&rest, '.', &part))
		part = BLOB("");
	if (!part.n || isdigit((unsigned char)part.p[0])) {
		size_t i = part.n ? (size_t)yaml_resolve(h, part)->i : (*next)++;

		v = i < c->n ? c->args[i] : NULL;
	} else {
		v = map_get(c->named, value_blob(h, part));
	}
	while (v && blob_token(&rest, '.', &part))
		v = eval_attribute(h, v, arena_strndup(h->arena, part.p, part.n));
	if (!v)
		heap_fail(h, "the format names a value that was not given");
	return v;
}

static void brace_field(struct heap *h, struct text *t, struct blob field, size_t *next, const struct call *c)
{
	const char *colon = memchr(field.p, ':', field.n);
	struct blob name = {field.p, colon ? (size_t)(colon - field.p) : field.n};
	struct blob spec = colon ? (struct blob){colon + 1, field.n - name.n - 1} : BLOB("");
	const struct value *v = brace_value(h, name, next, c);
	char text[24], letter = value_is_number(v) && v->kind == V_FLOAT ? 'g' : v->kind == V_INT ? 'd' : 's';
	char *p = text;

	if (!spec.n) {
		text_add(h, t, value_text(h, v));
		return;
	}
	if (spec.n >= sizeof(text) - 2)
		heap_fail(h, "the format is too long");
	if (isalpha((unsigned char)spec.p[spec.n - 1]))
		letter = spec.p[--spec.n];
	if (spec.n && (spec.p[0] == '<' || spec.p[0] == '>')) {
		if ((spec.p[0] == '<'))
			*p++ = '-';
		spec = (struct blob){spec.p + 1, spec.n - 1};
	} else if (letter == 's') {
		*p++ = '-';
	}
	memcpy(p, spec.p, spec.n);
	p[spec.n] = 0;
	if (strspn(text, "-+ 0123456789.") != strlen(text))
		heap_fail(h, "the format '%s' is not supported", text);
	convert(h, t, text, letter, v);
}

const struct value *format_braces(struct heap *h, struct blob format, const struct call *c)
{
	struct text t = {0};
	size_t next = 0;

	for (size_t i = 0; i < format.n; i++) {
		char ch = format.p[i];
		bool twice = i + 1 < format.n && format.p[i + 1] == ch;
		const char *end;

		if ((ch == '{' || ch == '}') && twice) {
			text_add_char(h, &t, ch);
			i++;
		} else if (ch == '{') {
			end = memchr(format.p + i, '}', format.n - i);
			if (!end)
				heap_fail(h, "a '{' without its '}' in the format");
			brace_field(h, &t, (struct blob){format.p + i + 1, (size_t)(end - format.p) - i - 1}, &next, c);
			i = (size_t)(end - format.p);
		} else if (ch == '}') {
			heap_fail(h, "a '}' without its '{' in the format");
		} else {
			text_add_char(h, &t, ch);
		}
	}
	return value_blob(h, text_blob(&t));
}
