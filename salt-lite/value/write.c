/* Values written as YAML and JSON. */
#include <ctype.h>
#include <math.h>

#include "salt-lite/value/yaml.h"

static void add_escaped(struct heap *h, struct text *t, struct blob s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\')
			text_printf(h, t, "\\%c", c);
		else if (c == '\n')
			text_add_str(h, t, "\\n");
		else if (c == '\t')
			text_add_str(h, t, "\\t");
		else if (c == '\r')
			text_add_str(h, t, "\\r");
		else if (c < 0x20 || c == 0x7f)
			text_printf(h, t, "\\x%02x", c);
		else
			text_add_char(h, t, (char)c);
	}
}

struct blob yaml_dquote(struct heap *h, struct blob s)
{
	struct text t = {0};

	text_add_char(h, &t, '"');
	add_escaped(h, &t, s);
	text_add_char(h, &t, '"');
	return text_blob(&t);
}

static bool has_control(struct blob s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return true;
	return false;
}

static bool plain_enough(struct heap *h, struct blob s)
{
	if (!s.n || yaml_resolve(h, s)->kind != V_STRING || blob_eq_str(s, "=") || blob_eq_str(s, "<<"))
		return false;
	if (!isalnum((unsigned char)s.p[0]) && !strchr("/_.", s.p[0]) && !((unsigned char)s.p[0] & 0x80))
		return false;
	if (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == ':' || blob_has_prefix(s, "---") || blob_has_prefix(s, "..."))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (strchr("[]{},#?&*!|>'\"%@`", s.p[i]) || (s.p[i] == ':' && i + 1 < s.n && s.p[i + 1] == ' '))
			return false;
	/* What looks like a date would be one elsewhere. */
	return !(s.n >= 8 && isdigit((unsigned char)s.p[0]) && memchr(s.p, '-', s.n));
}

static void add_string(struct heap *h, struct text *t, struct blob s)
{
	if (has_control(s)) {
		text_add(h, t, yaml_dquote(h, s));
	} else if (plain_enough(h, s)) {
		text_add(h, t, s);
	} else {
		text_add_char(h, t, '\'');
		for (size_t i = 0; i < s.n; i++) {
			if (s.p[i] == '\'')
				text_add_char(h, t, '\'');
			text_add_char(h, t, s.p[i]);
		}
		text_add_char(h, t, '\'');
	}
}

static void add_float(struct heap *h, struct text *t, const struct value *v)
{
	struct blob text = value_repr(h, v);

	if (blob_eq_str(text, "nan") || blob_eq_str(text, "inf"))
		text_printf(h, t, ".%.*s", BLOB_ARG(text));
	else if (blob_eq_str(text, "-inf"))
		text_add_str(h, t, "-.inf");
	else
		text_add(h, t, text);
}

static void add_scalar(struct heap *h, struct text *t, const struct value *v)
{
	if (v->kind == V_STRING)
		add_string(h, t, v->s);
	else if (v->kind == V_NONE)
		text_add_str(h, t, "null");
	else if (v->kind == V_BOOL)
		text_add_str(h, t, v->b ? "true" : "false");
	else if (v->kind == V_FLOAT)
		add_float(h, t, v);
	else if (v->kind == V_INT)
		text_printf(h, t, "%lld", (long long)v->i);
	else if (v->kind == V_UNDEFINED)
		value_text(h, v);
	else
		heap_fail(h, "%s cannot be written as YAML", value_kind_name(v));
}

static void add_flow(struct heap *h, struct text *t, const struct value *v, int depth)
{
	bool map = v->kind == V_MAP;
	size_t n = map ? v->map.n : value_is_list(v) ? v->list.n : 0;

	if (depth > VALUE_DEPTH_MAX)
		heap_fail(h, "a value is nested deeper than %d levels", VALUE_DEPTH_MAX);
	if (!map && !value_is_list(v)) {
		add_scalar(h, t, v);
		return;
	}
	text_add_char(h, t, map ? '{' : '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			text_add_str(h, t, ", ");
		if (map) {
			add_flow(h, t, v->map.pairs[i].key, depth + 1);
			text_add_str(h, t, ": ");
		}
		add_flow(h, t, map ? v->map.pairs[i].value : v->list.items[i], depth + 1);
	}
	text_add_char(h, t, map ? '}' : ']');
}

static bool is_block(const struct value *v)
{
	return (v->kind == V_MAP && v->map.n) || (value_is_list(v) && v->list.n);
}

static void indent(struct heap *h, struct text *t, unsigned by)
{
	text_add_char(h, t, '\n');
	for (unsigned i = 0; i < by; i++)
		text_add_char(h, t, ' ');
}

static void add_block(struct heap *h, struct text *t, const struct value *v, unsigned by, int depth);

static void add_block_map(struct heap *h, struct text *t, const struct value *v, unsigned by, int depth)
{
	for (size_t i = 0; i < v->map.n; i++) {
		const struct value *value = v->map.pairs[i].value;

		if (i)
			indent(h, t, by);
		add_flow(h, t, v->map.pairs[i].key, depth + 1);
		text_add_char(h, t, ':');
		if (!is_block(value)) {
			text_add_char(h, t, ' ');
			add_flow(h, t, value, depth + 1);
			continue;
		}
		indent(h, t, value->kind == V_MAP ? by + 2 : by);
		add_block(h, t, value, value->kind == V_MAP ? by + 2 : by, depth + 1);
	}
}

static void add_block(struct heap *h, struct text *t, const struct value *v, unsigned by, int depth)
{
	if (depth > VALUE_DEPTH_MAX)
		heap_fail(h, "a value is nested deeper than %d levels", VALUE_DEPTH_MAX);
	if (!is_block(v)) {
		add_flow(h, t, v, depth);
		return;
	}
	if (v->kind == V_MAP) {
		add_block_map(h, t, v, by, depth);
		return;
	}
	for (size_t i = 0; i < v->list.n; i++) {
		if (i)
			indent(h, t, by);
		text_add_str(h, t, "- ");
		add_block(h, t, v->list.items[i], by + 2, depth + 1);
	}
}

struct blob yaml_write(struct heap *h, const struct value *v, bool flow)
{
	struct text t = {0};

	if (flow)
		add_flow(h, &t, v, 0);
	else
		add_block(h, &t, v, 0, 0);
	return text_blob(&t);
}

static unsigned utf8_next(struct blob s, size_t *at)
{
	unsigned char c = (unsigned char)s.p[*at];
	unsigned more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
	unsigned rune = more == 3 ? c & 7 : more == 2 ? c & 15 : more == 1 ? c & 31 : c;

	for (; more && *at + 1 < s.n; more--)
		rune = rune << 6 | ((unsigned char)s.p[++*at] & 63);
	++*at;
	return rune;
}

/* How many bytes from `at` stand for themselves. */
static size_t json_plain(struct blob s, size_t at, bool html)
{
	size_t n = 0;

	while (at + n < s.n && s.p[at + n] >= 0x20 && s.p[at + n] <= 0x7e && s.p[at + n] != '"' && s.p[at + n] != '\\' &&
	       !(html && strchr("<>&'", s.p[at + n])))
		n++;
	return n;
}

static void json_string(struct heap *h, struct text *t, struct blob s, bool html)
{
	text_add_char(h, t, '"');
	for (size_t i = 0, plain; i < s.n;) {
		unsigned c;

		plain = json_plain(s, i, html);
		text_add(h, t, (struct blob){s.p + i, plain});
		i += plain;
		if (i == s.n)
			break;
		c = utf8_next(s, &i);
		if (c == '"' || c == '\\')
			text_printf(h, t, "\\%c", (int)c);
		else if (c == '\n' || c == '\t' || c == '\r')
			text_add_str(h, t, c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r");
		else if (c > 0xffff)
			text_printf(h, t, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
				    0xdc00 + ((c - 0x10000) & 0x3ff));
		else
			text_printf(h, t, "\\u%04x", c);
	}
	text_add_char(h, t, '"');
}

/* Python's json has names for what JSON has no numbers for. */
static void json_float(struct heap *h, struct text *t, const struct value *v)
{
	if (isfinite(v->f))
		text_add(h, t, value_repr(h, v));
	else
		text_add_str(h, t, isnan(v->f) ? "NaN" : v->f < 0 ? "-Infinity" : "Infinity");
}

static int by_key(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	return x->key->kind == V_STRING && y->key->kind == V_STRING ? blob_cmp(x->key->s, y->key->s) : 0;
}

static void json_break(struct heap *h, struct text *t, unsigned by, int depth)
{
	if (by)
		indent(h, t, by * (unsigned)depth);
}

static void json_add(struct heap *h, struct text *t, const struct value *v, bool html, unsigned by, int depth)
{
	bool map = v->kind == V_MAP;
	size_t n = map ? v->map.n : value_is_list(v) ? v->list.n : 0;
	struct pair *pairs = NULL;

	if (depth > VALUE_DEPTH_MAX)
		heap_fail(h, "a value is nested deeper than %d levels", VALUE_DEPTH_MAX);
	if (!map && !value_is_list(v)) {
		if (v->kind == V_STRING)
			json_string(h, t, v->s, html);
		else if (v->kind == V_FLOAT)
			json_float(h, t, v);
		else if (v->kind == V_INT)
			text_printf(h, t, "%lld", (long long)v->i);
		else
			add_scalar(h, t, v);
		return;
	}
	if (map && n) {
		pairs = heap_alloc(h, n * sizeof(*pairs));
		memcpy(pairs, v->map.pairs, n * sizeof(*pairs));
		qsort(pairs, n, sizeof(*pairs), by_key);
	}
	text_add_char(h, t, map ? '{' : '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			text_add_str(h, t, by ? "," : ", ");
		json_break(h, t, by, depth + 1);
		if (map) {
			json_string(h, t, value_text(h, pairs[i].key), html);
			text_add_str(h, t, ": ");
		}
		json_add(h, t, map ? pairs[i].value : v->list.items[i], html, by, depth + 1);
	}
	if (n)
		json_break(h, t, by, depth);
	text_add_char(h, t, map ? '}' : ']');
}

struct blob json_write(struct heap *h, const struct value *v, bool html, unsigned by)
{
	struct text t = {0};

	json_add(h, &t, v, html, by, 0);
	return text_blob(&t);
}
