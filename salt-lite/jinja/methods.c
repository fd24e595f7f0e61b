/* Methods of texts, lists and mappings. */
#include <ctype.h>

#include "salt-lite/jinja/eval.h"

#define METHOD(name) static const struct value *name(struct heap *h, const struct value *v, const struct call *c)

static struct value *writable(const struct value *v)
{
	return (struct value *)(uintptr_t)v;
}

static struct blob strip(struct blob s, struct blob set, bool left, bool right)
{
	while (left && s.n && memchr(set.p, s.p[0], set.n))
		s = (struct blob){s.p + 1, s.n - 1};
	while (right && s.n && memchr(set.p, s.p[s.n - 1], set.n))
		s.n--;
	return s;
}

METHOD(s_strip) { return value_blob(h, strip(v->s, call_text(h, c, 0, "chars", " \t\n\r\f\v"), true, true)); }
METHOD(s_lstrip) { return value_blob(h, strip(v->s, call_text(h, c, 0, "chars", " \t\n\r\f\v"), true, false)); }
METHOD(s_rstrip) { return value_blob(h, strip(v->s, call_text(h, c, 0, "chars", " \t\n\r\f\v"), false, true)); }

static const struct value *cased(struct heap *h, const struct value *v, char how)
{
	struct value *copy = writable(value_blob(h, v->s));
	char *p = (char *)(uintptr_t)copy->s.p;
	bool start = true;

	for (size_t i = 0; i < copy->s.n; i++) {
		unsigned char ch = (unsigned char)p[i];
		bool upper = how == 'u' || ((how == 't' || how == 'c') && start);

		p[i] = (char)(upper ? toupper(ch) : tolower(ch));
		start = how == 't' && !isalpha(ch);
	}
	return copy;
}

METHOD(s_lower) { (void)c; return cased(h, v, 'l'); }
METHOD(s_upper) { (void)c; return cased(h, v, 'u'); }
METHOD(s_title) { (void)c; return cased(h, v, 't'); }
METHOD(s_capitalize) { (void)c; return cased(h, v, 'c'); }

static const struct value *split_blank(struct heap *h, struct blob s, int64_t most)
{
	struct value *out = list_new(h);
	struct blob rest = strip(s, BLOB(" \t\n\r\f\v"), true, true);

	while (rest.n) {
		size_t n = 0;

		while (n < rest.n && !isspace((unsigned char)rest.p[n]))
			n++;
		if (most >= 0 && (int64_t)out->list.n == most)
			n = rest.n;
		list_push(h, out, value_blob(h, (struct blob){rest.p, n}));
		rest = strip((struct blob){rest.p + n, rest.n - n}, BLOB(" \t\n\r\f\v"), true, false);
	}
	return out;
}

METHOD(s_split)
{
	struct blob by = call_text(h, c, 0, "sep", ""), rest = v->s;
	int64_t most = call_int(h, c, 1, "maxsplit", -1);
	struct value *out = list_new(h);
	const char *at;

	if (!by.n)
		return split_blank(h, v->s, most);
	while ((most < 0 || (int64_t)out->list.n < most) && (at = memmem(rest.p, rest.n, by.p, by.n))) {
		size_t n = (size_t)(at - rest.p);

		list_push(h, out, value_blob(h, (struct blob){rest.p, n}));
		rest = (struct blob){at + by.n, rest.n - n - by.n};
	}
	list_push(h, out, value_blob(h, rest));
	return out;
}

METHOD(s_rsplit)
{
	const struct value *all = s_split(h, v, &(struct call){c->args, c->n ? 1 : 0, NULL, NULL});
	int64_t most = call_int(h, c, 1, "maxsplit", -1);
	struct blob by = call_text(h, c, 0, "sep", " ");
	struct value *out = list_new(h);
	struct text head = {0};
	size_t joined = most >= 0 && (int64_t)all->list.n > most + 1 ? all->list.n - (size_t)most : 0;

	for (size_t i = 0; i < joined; i++) {
		if (i)
			text_add(h, &head, by);
		text_add(h, &head, all->list.items[i]->s);
	}
	if (joined)
		list_push(h, out, value_blob(h, text_blob(&head)));
	for (size_t i = joined; i < all->list.n; i++)
		list_push(h, out, all->list.items[i]);
	return out;
}

METHOD(s_splitlines)
{
	struct value *out = list_new(h);
	struct blob rest = v->s, line;

	(void)c;
	while (blob_token(&rest, '\n', &line)) {
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		list_push(h, out, value_blob(h, line));
	}
	return out;
}

static bool affix(struct heap *h, struct blob s, const struct value *with, bool end)
{
	if (value_is_list(with)) {
		for (size_t i = 0; i < with->list.n; i++)
			if (affix(h, s, with->list.items[i], end))
				return true;
		return false;
	}
	if (with->kind != V_STRING)
		heap_fail(h, "a text is needed, not %s", value_kind_name(with));
	return with->s.n <= s.n && !memcmp(end ? s.p + s.n - with->s.n : s.p, with->s.p, with->s.n);
}

static const struct value *need(struct heap *h, const struct call *c, size_t i)
{
	if (c->n <= i)
		heap_fail(h, "an argument is missing");
	return c->args[i];
}

METHOD(s_startswith) { return value_bool(affix(h, v->s, need(h, c, 0), false)); }
METHOD(s_endswith) { return value_bool(affix(h, v->s, need(h, c, 0), true)); }

METHOD(s_replace)
{
	struct blob old = value_text(h, need(h, c, 0)), new = value_text(h, need(h, c, 1)), rest = v->s;
	int64_t most = call_int(h, c, 2, "count", -1);
	struct text t = {0};
	const char *at;

	while (old.n && most-- && (at = memmem(rest.p, rest.n, old.p, old.n))) {
		size_t n = (size_t)(at - rest.p);

		text_add(h, &t, (struct blob){rest.p, n});
		text_add(h, &t, new);
		rest = (struct blob){at + old.n, rest.n - n - old.n};
	}
	text_add(h, &t, rest);
	return value_blob(h, text_blob(&t));
}

METHOD(s_join) { return filter_apply(h, "join", &(struct call){(const struct value *[]){need(h, c, 0), v}, 2, NULL, NULL}); }
METHOD(s_format) { return format_braces(h, v->s, c); }

METHOD(s_find)
{
	struct blob what = value_text(h, need(h, c, 0));
	const char *at = memmem(v->s.p, v->s.n, what.p, what.n);

	return value_int(h, at ? at - v->s.p : -1);
}

METHOD(s_count)
{
	struct blob what = value_text(h, need(h, c, 0)), rest = v->s;
	int64_t n = 0;
	const char *at;

	while (what.n && (at = memmem(rest.p, rest.n, what.p, what.n))) {
		rest = (struct blob){at + what.n, rest.n - (size_t)(at - rest.p) - what.n};
		n++;
	}
	return value_int(h, n);
}

static bool all_of(struct blob s, int (*is)(int))
{
	for (size_t i = 0; i < s.n; i++)
		if (!is((unsigned char)s.p[i]))
			return false;
	return s.n != 0;
}

METHOD(s_isdigit) { (void)c, (void)h; return value_bool(all_of(v->s, isdigit)); }
METHOD(s_isalpha) { (void)c, (void)h; return value_bool(all_of(v->s, isalpha)); }
METHOD(s_isalnum) { (void)c, (void)h; return value_bool(all_of(v->s, isalnum)); }

static const struct value *padded(struct heap *h, const struct value *v, const struct call *c, bool left, char with)
{
	int64_t width = call_int(h, c, 0, "width", 0);
	struct blob fill = call_text(h, c, 1, "fillchar", "");
	struct text t = {0};

	if (!left)
		text_add(h, &t, v->s);
	for (int64_t n = (int64_t)v->s.n; n < width; n++)
		text_add_char(h, &t, fill.n ? fill.p[0] : with);
	if (left)
		text_add(h, &t, v->s);
	return value_blob(h, text_blob(&t));
}

METHOD(s_ljust) { return padded(h, v, c, false, ' '); }
METHOD(s_rjust) { return padded(h, v, c, true, ' '); }
METHOD(s_zfill) { return padded(h, v, c, true, '0'); }

METHOD(l_append)
{
	list_push(h, writable(v), need(h, c, 0));
	return value_none();
}

METHOD(l_extend)
{
	const struct value *more = eval_items(h, need(h, c, 0));
	size_t n = more->list.n;

	for (size_t i = 0; i < n; i++)
		list_push(h, writable(v), more->list.items[i]);
	return value_none();
}

static size_t index_of(struct heap *h, const struct value *v, const struct value *item)
{
	for (size_t i = 0; i < v->list.n; i++)
		if (value_equal(v->list.items[i], item))
			return i;
	heap_fail(h, "the value is not in the list");
}

static const struct value *take_out(const struct value *v, size_t at)
{
	struct value *list = writable(v);
	const struct value *item = list->list.items[at];

	memmove(list->list.items + at, list->list.items + at + 1, (list->list.n - at - 1) * sizeof(item));
	list->list.n--;
	return item;
}

METHOD(l_remove)
{
	take_out(v, index_of(h, v, need(h, c, 0)));
	return value_none();
}

METHOD(l_pop)
{
	int64_t at = call_int(h, c, 0, "index", -1);

	at = at < 0 ? at + (int64_t)v->list.n : at;
	if (at < 0 || (size_t)at >= v->list.n)
		heap_fail(h, "pop beyond the end of the list");
	return take_out(v, (size_t)at);
}

METHOD(l_insert)
{
	int64_t at = call_int(h, c, 0, NULL, 0);
	struct value *list = writable(v);
	size_t n = v->list.n, i;

	need(h, c, 1);
	at = at < 0 ? at + (int64_t)n : at;
	i = at < 0 ? 0 : (size_t)at > n ? n : (size_t)at;
	list_push(h, list, value_none());
	memmove(list->list.items + i + 1, list->list.items + i, (n - i) * sizeof(v));
	list->list.items[i] = c->args[1];
	return value_none();
}

METHOD(l_index) { return value_int(h, (int64_t)index_of(h, v, need(h, c, 0))); }

METHOD(l_count)
{
	int64_t n = 0;

	for (size_t i = 0; i < v->list.n; i++)
		n += value_equal(v->list.items[i], need(h, c, 0));
	return value_int(h, n);
}

METHOD(d_get)
{
	const struct value *found = map_get(v, need(h, c, 0)), *otherwise = call_arg(c, 1, "default");

	return found ? found : otherwise ? otherwise : value_none();
}

METHOD(d_items)
{
	(void)c;
	return filter_apply(h, "items", &(struct call){&v, 1, NULL, NULL});
}

METHOD(d_keys)
{
	(void)c;
	return eval_items(h, v);
}

METHOD(d_values)
{
	struct value *out = list_new(h);

	(void)c;
	for (size_t i = 0; i < v->map.n; i++)
		list_push(h, out, v->map.pairs[i].value);
	return out;
}

static void update_with(struct heap *h, struct value *map, const struct value *more)
{
	for (size_t i = 0; more && i < more->map.n; i++)
		map_set(h, map, more->map.pairs[i].key, more->map.pairs[i].value);
}

METHOD(d_update)
{
	if (c->n && c->args[0]->kind != V_MAP)
		heap_fail(h, "update needs a mapping, not %s", value_kind_name(c->args[0]));
	update_with(h, writable(v), c->n ? c->args[0] : NULL);
	update_with(h, writable(v), c->named);
	return value_none();
}

METHOD(d_pop)
{
	const struct value *found = map_get(v, need(h, c, 0)), *otherwise = call_arg(c, 1, "default");

	if (found)
		map_remove(writable(v), c->args[0]);
	else if (!otherwise)
		heap_fail(h, "the key '%s' is not there", value_cstr(h, c->args[0]));
	return found ? found : otherwise;
}

METHOD(d_setdefault)
{
	const struct value *found = map_get(v, need(h, c, 0));

	if (found)
		return found;
	found = c->n > 1 ? c->args[1] : value_none();
	map_set(h, writable(v), c->args[0], found);
	return found;
}

METHOD(d_copy)
{
	(void)c;
	return map_copy(h, v);
}

static const struct {
	enum value_kind kind;
	const char *name;
	value_function call;
} methods[] = {
	{V_STRING, "split", s_split},	{V_STRING, "rsplit", s_rsplit},	{V_STRING, "splitlines", s_splitlines},
	{V_STRING, "strip", s_strip},	{V_STRING, "lstrip", s_lstrip},	{V_STRING, "rstrip", s_rstrip},
	{V_STRING, "lower", s_lower},	{V_STRING, "upper", s_upper},	{V_STRING, "title", s_title},
	{V_STRING, "capitalize", s_capitalize}, {V_STRING, "startswith", s_startswith},
	{V_STRING, "endswith", s_endswith}, {V_STRING, "replace", s_replace}, {V_STRING, "join", s_join},
	{V_STRING, "format", s_format},	{V_STRING, "find", s_find},	{V_STRING, "count", s_count},
	{V_STRING, "isdigit", s_isdigit}, {V_STRING, "isalpha", s_isalpha}, {V_STRING, "isalnum", s_isalnum},
	{V_STRING, "ljust", s_ljust},	{V_STRING, "rjust", s_rjust},	{V_STRING, "zfill", s_zfill},
	{V_LIST, "append", l_append},	{V_LIST, "extend", l_extend},	{V_LIST, "remove", l_remove},
	{V_LIST, "pop", l_pop},		{V_LIST, "insert", l_insert},	{V_LIST, "index", l_index},
	{V_LIST, "count", l_count},	{V_MAP, "get", d_get},		{V_MAP, "items", d_items},
	{V_MAP, "keys", d_keys},	{V_MAP, "values", d_values},	{V_MAP, "update", d_update},
	{V_MAP, "pop", d_pop},		{V_MAP, "setdefault", d_setdefault}, {V_MAP, "copy", d_copy},
	{V_TUPLE, "index", l_index},	{V_TUPLE, "count", l_count},
};

const struct value *method_find(struct heap *h, const struct value *v, const char *name)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (methods[i].kind == v->kind && !strcmp(methods[i].name, name))
			return value_function_new(h, methods[i].name, methods[i].call, v, NULL);
	return NULL;
}
