#include "salt-lite/value/value.h"

#include <math.h>
#include <stdarg.h>

static struct value *value_new(struct heap *h, enum value_kind kind)
{
	struct value *v = heap_alloc(h, sizeof(*v));

	v->kind = kind;
	return v;
}

const struct value *value_none(void)
{
	static const struct value none = {.kind = V_NONE};

	return &none;
}

const struct value *value_bool(bool b)
{
	static const struct value values[2] = {{.kind = V_BOOL, .b = false}, {.kind = V_BOOL, .b = true}};

	return &values[b];
}

const struct value *value_undefined(struct heap *h, const char *name)
{
	struct value *v = value_new(h, V_UNDEFINED);

	v->s = blob_of(arena_strdup(h->arena, name));
	return v;
}

const struct value *value_int(struct heap *h, int64_t i)
{
	struct value *v = value_new(h, V_INT);

	v->i = i;
	return v;
}

const struct value *value_float(struct heap *h, double f)
{
	struct value *v = value_new(h, V_FLOAT);

	v->f = f;
	return v;
}

const struct value *value_blob(struct heap *h, struct blob text)
{
	struct value *v = value_new(h, V_STRING);
	char *p = heap_alloc(h, text.n + 1);

	if (text.n)
		memcpy(p, text.p, text.n);
	v->s = (struct blob){p, text.n};
	return v;
}

const struct value *value_string(struct heap *h, const char *text)
{
	return value_blob(h, blob_of(text));
}

const struct value *value_format(struct heap *h, const char *fmt, ...)
{
	struct value *v = value_new(h, V_STRING);
	va_list ap;
	char *p = NULL;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&p, fmt, ap);
	va_end(ap);
	if (n < 0)
		heap_fail(h, "cannot format a text");
	v->s = blob_of(arena_strndup(h->arena, p, (size_t)n));
	free(p);
	return v;
}

const struct value *value_function_new(struct heap *h, const char *name, value_function fn, const struct value *self,
				       const void *data)
{
	struct value *v = value_new(h, V_FUNCTION);

	v->function.call = fn;
	v->function.self = self;
	v->function.data = data;
	v->function.name = name;
	return v;
}

struct value *list_new(struct heap *h)
{
	return value_new(h, V_LIST);
}

void list_push(struct heap *h, struct value *list, const struct value *item)
{
	if (list->list.n == list->list.cap) {
		size_t cap = list->list.cap ? list->list.cap * 2 : 4;
		const struct value **items = heap_alloc(h, cap * sizeof(struct value *));

		if (list->list.n)
			memcpy(items, list->list.items, list->list.n * sizeof(struct value *));
		list->list.items = items;
		list->list.cap = cap;
	}
	list->list.items[list->list.n++] = item;
}

bool list_holds(const struct value *list, struct blob text)
{
	for (size_t i = 0; value_is_list(list) && i < list->list.n; i++)
		if (list->list.items[i]->kind == V_STRING && blob_eq(list->list.items[i]->s, text))
			return true;
	return false;
}

const char *list_joined(struct heap *h, const struct value *list)
{
	struct text t = {0};

	for (size_t i = 0; i < list->list.n; i++)
		text_printf(h, &t, "%s%s", i ? "," : "", value_cstr(h, list->list.items[i]));
	return t.n ? arena_strndup(h->arena, t.p, t.n) : "";
}

struct value *map_new(struct heap *h)
{
	return value_new(h, V_MAP);
}

bool value_is_list(const struct value *v)
{
	return v && (v->kind == V_LIST || v->kind == V_TUPLE);
}

bool value_is_number(const struct value *v)
{
	return v->kind == V_INT || v->kind == V_FLOAT || v->kind == V_BOOL;
}

double value_number(const struct value *v)
{
	return v->kind == V_INT ? (double)v->i : v->kind == V_BOOL ? (double)v->b : v->f;
}

bool value_is_str(const struct value *v, const char *text)
{
	return v && v->kind == V_STRING && blob_eq_str(v->s, text);
}

bool value_true(const struct value *v)
{
	switch (v->kind) {
	case V_UNDEFINED:
	case V_NONE:
		return false;
	case V_BOOL:
		return v->b;
	case V_INT:
		return v->i != 0;
	case V_FLOAT:
		return v->f != 0;
	case V_STRING:
		return v->s.n != 0;
	case V_LIST:
	case V_TUPLE:
		return v->list.n != 0;
	case V_MAP:
		return v->object || v->map.n != 0;
	case V_FUNCTION:
		return true;
	}
	return false;
}

static bool equal(const struct value *a, const struct value *b, int depth);

static bool lists_equal(const struct value *a, const struct value *b, int depth)
{
	if (a->kind != b->kind || a->list.n != b->list.n)
		return false;
	for (size_t i = 0; i < a->list.n; i++)
		if (!equal(a->list.items[i], b->list.items[i], depth + 1))
			return false;
	return true;
}

static bool maps_equal(const struct value *a, const struct value *b, int depth)
{
	if (a->map.n != b->map.n)
		return false;
	for (size_t i = 0; i < a->map.n; i++) {
		const struct value *other = map_get(b, a->map.pairs[i].key);

		if (!other || !equal(a->map.pairs[i].value, other, depth + 1))
			return false;
	}
	return true;
}

static bool equal(const struct value *a, const struct value *b, int depth)
{
	if (a == b)
		return true;
	if (depth > VALUE_DEPTH_MAX)
		return false;
	/* Nearly all that is compared are the keys of maps. */
	if (a->kind == V_STRING && b->kind == V_STRING)
		return blob_eq(a->s, b->s);
	if (value_is_number(a) && value_is_number(b))
		return a->kind == V_INT && b->kind == V_INT ? a->i == b->i : value_number(a) == value_number(b);
	if (value_is_list(a) && value_is_list(b))
		return lists_equal(a, b, depth);
	if (a->kind != b->kind)
		return false;
	if (a->kind == V_MAP)
		return maps_equal(a, b, depth);
	return a->kind == V_NONE || a->kind == V_UNDEFINED;
}

bool value_equal(const struct value *a, const struct value *b)
{
	return equal(a, b, 0);
}

static int compare(struct heap *h, const struct value *a, const struct value *b, int depth);

static int compare_lists(struct heap *h, const struct value *a, const struct value *b, int depth)
{
	for (size_t i = 0; i < a->list.n && i < b->list.n; i++)
		if (!value_equal(a->list.items[i], b->list.items[i]))
			return compare(h, a->list.items[i], b->list.items[i], depth + 1);
	return a->list.n < b->list.n ? -1 : a->list.n > b->list.n;
}

static int compare(struct heap *h, const struct value *a, const struct value *b, int depth)
{
	/* A list may contain itself. */
	if (depth > VALUE_DEPTH_MAX)
		heap_fail(h, "a value is nested deeper than %d levels", VALUE_DEPTH_MAX);
	if (a->kind == V_INT && b->kind == V_INT)
		return a->i < b->i ? -1 : a->i > b->i;
	if (value_is_number(a) && value_is_number(b)) {
		double x = value_number(a), y = value_number(b);

		return x < y ? -1 : x > y;
	}
	if (a->kind == V_STRING && b->kind == V_STRING)
		return blob_cmp(a->s, b->s);
	if (value_is_list(a) && a->kind == b->kind)
		return compare_lists(h, a, b, depth);
	heap_fail(h, "%s and %s have no order", value_kind_name(a), value_kind_name(b));
}

int value_compare(struct heap *h, const struct value *a, const struct value *b)
{
	return compare(h, a, b, 0);
}

const char *value_kind_name(const struct value *v)
{
	static const char *const names[] = {
		[V_UNDEFINED] = "an undefined value", [V_NONE] = "None",   [V_BOOL] = "a boolean",
		[V_INT] = "a number",		      [V_FLOAT] = "a number", [V_STRING] = "a text",
		[V_LIST] = "a list",		      [V_TUPLE] = "a tuple",  [V_MAP] = "a mapping",
		[V_FUNCTION] = "a function",
	};

	return names[v->kind];
}

/* The shortest text that reads back as the same number, in Python's form. */
static void add_float(struct heap *h, struct text *t, double f)
{
	char buf[40];

	if (isnan(f) || isinf(f)) {
		text_add_str(h, t, isnan(f) ? "nan" : f < 0 ? "-inf" : "inf");
		return;
	}
	for (int digits = 1; digits <= 17; digits++) {
		snprintf(buf, sizeof(buf), "%.*g", digits, f);
		if (strtod(buf, NULL) == f)
			break;
	}
	/* Python writes exponents only from 1e16 and below 1e-4. */
	if (strchr(buf, 'e') && fabs(f) < 1e16 && fabs(f) >= 1e-4)
		snprintf(buf, sizeof(buf), "%.1f", f);
	text_add_str(h, t, buf);
	if (!strpbrk(buf, ".e"))
		text_add_str(h, t, ".0");
}

static void add_quoted(struct heap *h, struct text *t, struct blob s)
{
	char quote = memchr(s.p, '\'', s.n) && !memchr(s.p, '"', s.n) ? '"' : '\'';

	text_add_char(h, t, quote);
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '\n' || c == '\t' || c == '\r')
			text_add_str(h, t, c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r");
		else if (c < 0x20 || c == 0x7f)
			text_printf(h, t, "\\x%02x", c);
		else {
			if (c == '\\' || c == (unsigned char)quote)
				text_add_char(h, t, '\\');
			text_add_char(h, t, (char)c);
		}
	}
	text_add_char(h, t, quote);
}

static void add_repr(struct heap *h, struct text *t, const struct value *v, int depth);

static void add_list(struct heap *h, struct text *t, const struct value *v, int depth)
{
	text_add_char(h, t, v->kind == V_TUPLE ? '(' : '[');
	for (size_t i = 0; i < v->list.n; i++) {
		if (i)
			text_add_str(h, t, ", ");
		add_repr(h, t, v->list.items[i], depth + 1);
	}
	if (v->kind == V_TUPLE && v->list.n == 1)
		text_add_char(h, t, ',');
	text_add_char(h, t, v->kind == V_TUPLE ? ')' : ']');
}

static void add_map(struct heap *h, struct text *t, const struct value *v, int depth)
{
	text_add_char(h, t, '{');
	for (size_t i = 0; i < v->map.n; i++) {
		if (i)
			text_add_str(h, t, ", ");
		add_repr(h, t, v->map.pairs[i].key, depth + 1);
		text_add_str(h, t, ": ");
		add_repr(h, t, v->map.pairs[i].value, depth + 1);
	}
	text_add_char(h, t, '}');
}

static void add_repr(struct heap *h, struct text *t, const struct value *v, int depth)
{
	if (depth > VALUE_DEPTH_MAX)
		heap_fail(h, "a value is nested deeper than %d levels", VALUE_DEPTH_MAX);
	switch (v->kind) {
	case V_UNDEFINED:
		text_add_str(h, t, "Undefined");
		break;
	case V_NONE:
		text_add_str(h, t, "None");
		break;
	case V_BOOL:
		text_add_str(h, t, v->b ? "True" : "False");
		break;
	case V_INT:
		text_printf(h, t, "%lld", (long long)v->i);
		break;
	case V_FLOAT:
		add_float(h, t, v->f);
		break;
	case V_STRING:
		add_quoted(h, t, v->s);
		break;
	case V_LIST:
	case V_TUPLE:
		add_list(h, t, v, depth);
		break;
	case V_MAP:
		add_map(h, t, v, depth);
		break;
	case V_FUNCTION:
		text_printf(h, t, "<function %s>", v->function.name);
		break;
	}
}

struct blob value_repr(struct heap *h, const struct value *v)
{
	struct text t = {0};

	add_repr(h, &t, v, 0);
	return text_blob(&t);
}

struct blob value_text(struct heap *h, const struct value *v)
{
	if (v->kind == V_STRING)
		return v->s;
	/* Without a name: an inline if without its else, which prints nothing. */
	if (v->kind == V_UNDEFINED && v->s.n)
		heap_fail(h, "'%.*s' is undefined", BLOB_ARG(v->s));
	if (v->kind == V_UNDEFINED)
		return BLOB("");
	return value_repr(h, v);
}

const char *value_cstr(struct heap *h, const struct value *v)
{
	struct blob b = value_text(h, v);
	char *p = heap_alloc(h, b.n + 1);

	if (b.n)
		memcpy(p, b.p, b.n);
	return p;
}
