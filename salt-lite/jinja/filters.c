/* Filters. */
#include <ctype.h>
#include <math.h>

#include "common/base/strbuf.h"
#include "salt-lite/jinja/eval.h"
#include "salt-lite/value/regex.h"
#include "salt-lite/value/yaml.h"

#define FILTER(name) static const struct value *name(struct heap *h, const struct value *v, const struct call *c)

FILTER(f_default)
{
	bool replace = v->kind == V_UNDEFINED || (call_bool(c, 2, "boolean", false) && !value_true(v));
	const struct value *otherwise = call_arg(c, 1, "default_value");

	return !replace ? v : otherwise ? otherwise : value_string(h, "");
}

static const struct value *attribute_of(struct heap *h, const struct value *v, const struct value *path)
{
	struct blob rest, part;

	if (path->kind == V_INT)
		return eval_item(h, v, path);
	rest = value_text(h, path);
	while (blob_token(&rest, '.', &part)) {
		const struct value *key = value_blob(h, part);
		const struct value *found = v->kind == V_MAP ? map_get(v, key) : NULL;

		v = found ? found : isdigit((unsigned char)part.p[0]) && value_is_list(v)
					    ? eval_item(h, v, yaml_resolve(h, part))
					    : value_undefined(h, value_cstr(h, key));
	}
	return v;
}

FILTER(f_join)
{
	struct blob between = call_text(h, c, 1, "d", "");
	const struct value *attribute = call_arg(c, 2, "attribute"), *items = eval_items(h, v);
	struct text t = {0};

	for (size_t i = 0; i < items->list.n; i++) {
		const struct value *item = items->list.items[i];

		if (i)
			text_add(h, &t, between);
		text_add(h, &t, value_text(h, attribute ? attribute_of(h, item, attribute) : item));
	}
	return value_blob(h, text_blob(&t));
}

static const struct value *by_method(struct heap *h, const struct value *v, const char *name, const struct call *c)
{
	struct call rest = {c->args + 1, c->n - 1, c->named, NULL};
	const struct value *text = value_blob(h, value_text(h, v));

	return eval_call(h, method_find(h, text, name), &rest);
}

FILTER(f_lower) { return by_method(h, v, "lower", c); }
FILTER(f_upper) { return by_method(h, v, "upper", c); }
FILTER(f_title) { return by_method(h, v, "title", c); }
FILTER(f_capitalize) { return by_method(h, v, "capitalize", c); }
FILTER(f_replace) { return by_method(h, v, "replace", c); }
FILTER(f_trim) { return by_method(h, v, "strip", c); }

static const struct value *to_number(struct heap *h, struct blob text, bool whole, int64_t base)
{
	char *copy = arena_strndup(h->arena, text.p, text.n), *end;
	double f;
	long long i;

	errno = 0;
	i = strtoll(copy, &end, (int)base);
	if (whole && end != copy && !*end && !errno)
		return value_int(h, i);
	f = strtod(copy, &end);
	if (end == copy || *end || (whole && (base != 10 || !(fabs(f) < 9e18))))
		return NULL;
	return whole ? value_int(h, (int64_t)f) : value_float(h, f);
}

FILTER(f_int)
{
	const struct value *otherwise = call_arg(c, 1, "default"), *n = NULL;

	if (v->kind == V_INT || v->kind == V_BOOL)
		return value_int(h, v->kind == V_BOOL ? v->b : v->i);
	if (v->kind == V_FLOAT && fabs(v->f) < 9e18)
		return value_int(h, (int64_t)v->f);
	if (v->kind == V_STRING)
		n = to_number(h, blob_trim(v->s), true, call_int(h, c, 2, "base", 10));
	return n ? n : otherwise ? otherwise : value_int(h, 0);
}

FILTER(f_float)
{
	const struct value *otherwise = call_arg(c, 1, "default"), *n = NULL;

	if (value_is_number(v))
		return value_float(h, value_number(v));
	if (v->kind == V_STRING)
		n = to_number(h, blob_trim(v->s), false, 10);
	return n ? n : otherwise ? otherwise : value_float(h, 0);
}

FILTER(f_round)
{
	int64_t digits = call_int(h, c, 1, "precision", 0);
	struct blob method = call_text(h, c, 2, "method", "common");
	double scale = pow(10, (double)digits), f;
	char text[400];

	if (!value_is_number(v))
		heap_fail(h, "%s cannot be rounded", value_kind_name(v));
	f = value_number(v);
	if (blob_is(method, "ceil"))
		return value_float(h, ceil(f * scale) / scale);
	if (blob_is(method, "floor"))
		return value_float(h, floor(f * scale) / scale);
	if (v->kind == V_INT && digits >= 0)
		return v;
	/* Python rounds the exact binary value, ties to even: as printf does. */
	if (digits < 0 || digits > 300)
		return value_float(h, nearbyint(f * scale) / scale);
	snprintf(text, sizeof(text), "%.*f", (int)digits, f);
	return value_float(h, strtod(text, NULL));
}

FILTER(f_abs)
{
	(void)c;
	if (!value_is_number(v))
		heap_fail(h, "%s has no absolute value", value_kind_name(v));
	return value_number(v) < 0 ? eval_binary(h, "-", value_int(h, 0), v) : v;
}

FILTER(f_length)
{
	(void)c;
	return value_int(h, (int64_t)eval_length(h, v));
}

FILTER(f_first)
{
	const struct value *items = eval_items(h, v);

	(void)c;
	return items->list.n ? items->list.items[0] : value_undefined(h, "the first of nothing");
}

FILTER(f_last)
{
	const struct value *items = eval_items(h, v);

	(void)c;
	return items->list.n ? items->list.items[items->list.n - 1] : value_undefined(h, "the last of nothing");
}

static const struct value *folded(struct heap *h, const struct value *v, bool case_sensitive)
{
	return v->kind == V_STRING && !case_sensitive ? eval_call(h, method_find(h, v, "lower"), &(struct call){0}) : v;
}

struct order {
	const struct value *key, *value;
};

/* Stable, and never out of the heap's reach when two members have no order. */
static void merge_sort(struct heap *h, struct order *v, struct order *spare, size_t n, bool reverse)
{
	size_t half = n / 2, a = 0, b = half;

	if (n < 2)
		return;
	merge_sort(h, v, spare, half, reverse);
	merge_sort(h, v + half, spare, n - half, reverse);
	for (size_t i = 0; i < n; i++) {
		bool left = b == n;

		if (a < half && b < n) {
			int order = value_compare(h, v[a].key, v[b].key);

			left = reverse ? order >= 0 : order <= 0;
		}
		spare[i] = left ? v[a++] : v[b++];
	}
	memcpy(v, spare, n * sizeof(*v));
}

static const struct value *sorted(struct heap *h, const struct value *items, const struct value *attribute,
				  bool case_sensitive, bool reverse)
{
	size_t n = items->list.n;
	struct order *v = heap_alloc(h, (n + 1) * sizeof(*v)), *spare = heap_alloc(h, (n + 1) * sizeof(*v));
	struct value *out = list_new(h);

	for (size_t i = 0; i < n; i++) {
		const struct value *item = items->list.items[i];
		const struct value *key = attribute ? attribute_of(h, item, attribute) : item;

		v[i] = (struct order){folded(h, key, case_sensitive), item};
	}
	merge_sort(h, v, spare, n, reverse);
	for (size_t i = 0; i < n; i++)
		list_push(h, out, v[i].value);
	return out;
}

FILTER(f_sort)
{
	return sorted(h, eval_items(h, v), call_arg(c, 3, "attribute"), call_bool(c, 2, "case_sensitive", false),
		      call_bool(c, 1, "reverse", false));
}

static struct value *pair_list(struct heap *h, const struct value *map)
{
	struct value *out = list_new(h);

	if (map->kind != V_MAP)
		heap_fail(h, "a mapping is needed, not %s", value_kind_name(map));
	for (size_t i = 0; i < map->map.n; i++) {
		struct value *pair = list_new(h);

		list_push(h, pair, map->map.pairs[i].key);
		list_push(h, pair, map->map.pairs[i].value);
		pair->kind = V_TUPLE;
		list_push(h, out, pair);
	}
	return out;
}

FILTER(f_items)
{
	(void)c;
	return v->kind == V_UNDEFINED ? list_new(h) : pair_list(h, v);
}

FILTER(f_dictsort)
{
	bool by_value = blob_is(call_text(h, c, 2, "by", "key"), "value");

	return sorted(h, pair_list(h, v), value_int(h, by_value), call_bool(c, 1, "case_sensitive", false),
		      call_bool(c, 3, "reverse", false));
}

FILTER(f_unique)
{
	const struct value *items = eval_items(h, v);
	struct value *out = list_new(h), *seen = list_new(h);

	for (size_t i = 0; i < items->list.n; i++) {
		const struct value *key = folded(h, items->list.items[i], call_bool(c, 1, "case_sensitive", false));

		if (eval_contains(h, seen, key))
			continue;
		list_push(h, seen, key);
		list_push(h, out, items->list.items[i]);
	}
	return out;
}

FILTER(f_list)
{
	const struct value *items = eval_items(h, v);
	struct value *out = list_new(h);

	(void)c;
	for (size_t i = 0; i < items->list.n; i++)
		list_push(h, out, items->list.items[i]);
	return out;
}

FILTER(f_string)
{
	(void)c;
	return value_blob(h, value_text(h, v));
}

FILTER(f_reverse)
{
	const struct value *items = eval_items(h, v);
	struct value *out = list_new(h);
	struct text t = {0};

	(void)c;
	for (size_t i = items->list.n; i-- > 0;) {
		list_push(h, out, items->list.items[i]);
		if (v->kind == V_STRING)
			text_add(h, &t, items->list.items[i]->s);
	}
	return v->kind == V_STRING ? value_blob(h, text_blob(&t)) : out;
}

static const struct value *extreme(struct heap *h, const struct value *v, const struct call *c, int sign)
{
	const struct value *items = eval_items(h, v), *attribute = call_arg(c, 2, "attribute"), *best = NULL;
	const struct value *best_key = NULL;

	for (size_t i = 0; i < items->list.n; i++) {
		const struct value *item = items->list.items[i];
		const struct value *key = folded(h, attribute ? attribute_of(h, item, attribute) : item,
						 call_bool(c, 1, "case_sensitive", false));

		if (!best || sign * value_compare(h, key, best_key) > 0) {
			best = item;
			best_key = key;
		}
	}
	return best ? best : value_undefined(h, "the extreme of nothing");
}

FILTER(f_min) { return extreme(h, v, c, -1); }
FILTER(f_max) { return extreme(h, v, c, 1); }

FILTER(f_sum)
{
	const struct value *items = eval_items(h, v), *attribute = call_arg(c, 1, "attribute");
	const struct value *start = call_arg(c, 2, "start"), *sum = start ? start : value_int(h, 0);

	for (size_t i = 0; i < items->list.n; i++) {
		const struct value *item = items->list.items[i];

		sum = eval_binary(h, "+", sum, attribute && attribute->kind != V_NONE ? attribute_of(h, item, attribute)
										      : item);
	}
	return sum;
}

FILTER(f_map)
{
	const struct value *items = eval_items(h, v), *attribute = map_get_str(c->named, "attribute");
	const struct value *otherwise = map_get_str(c->named, "default");
	struct value *out = list_new(h);

	for (size_t i = 0; i < items->list.n; i++) {
		const struct value *item = items->list.items[i];

		if (attribute) {
			item = attribute_of(h, item, attribute);
			item = item->kind == V_UNDEFINED && otherwise ? otherwise : item;
		} else {
			const struct value **args = heap_alloc(h, (c->n + 1) * sizeof(*args));

			if (c->n < 2)
				heap_fail(h, "map needs a filter or attribute=");
			args[0] = item;
			memcpy(args + 1, c->args + 2, (c->n - 2) * sizeof(*args));
			item = filter_apply(h, value_cstr(h, c->args[1]), &(struct call){args, c->n - 1, c->named, NULL});
		}
		list_push(h, out, item);
	}
	return out;
}

static const struct value *chosen(struct heap *h, const struct value *v, const struct call *c, bool attribute, bool want)
{
	const struct value *items = eval_items(h, v);
	size_t skip = attribute ? 2 : 1;
	struct value *out = list_new(h);

	if (c->n < skip)
		heap_fail(h, "the name of an attribute is needed");
	for (size_t i = 0; i < items->list.n; i++) {
		const struct value *item = items->list.items[i];
		const struct value *tested = attribute ? attribute_of(h, item, c->args[1]) : item;
		const struct value **args = heap_alloc(h, (c->n + 1) * sizeof(*args));
		bool holds;

		args[0] = tested;
		if (c->n > skip)
			memcpy(args + 1, c->args + skip + 1, (c->n - skip - 1) * sizeof(*args));
		holds = c->n > skip ? test_apply(h, value_cstr(h, c->args[skip]),
						 &(struct call){args, c->n - skip, NULL, NULL})
				    : value_true(tested);
		if (holds == want)
			list_push(h, out, item);
	}
	return out;
}

FILTER(f_select) { return chosen(h, v, c, false, true); }
FILTER(f_reject) { return chosen(h, v, c, false, false); }
FILTER(f_selectattr) { return chosen(h, v, c, true, true); }
FILTER(f_rejectattr) { return chosen(h, v, c, true, false); }

FILTER(f_batch)
{
	const struct value *items = eval_items(h, v), *fill = call_arg(c, 2, "fill_with");
	int64_t size = call_int(h, c, 1, "linecount", 0);
	struct value *out = list_new(h), *row = NULL;

	if (size <= 0)
		heap_fail(h, "batch needs a size above 0");
	for (size_t i = 0; i < items->list.n; i++) {
		if (i % (size_t)size == 0)
			list_push(h, out, row = list_new(h));
		list_push(h, row, items->list.items[i]);
	}
	while (row && fill && row->list.n < (size_t)size && size < 100000)
		list_push(h, row, fill);
	return out;
}

FILTER(f_groupby)
{
	const struct value *attribute = call_arg(c, 1, "attribute"), *items;
	struct value *out = list_new(h), *group = NULL, *members = NULL;

	if (!attribute)
		heap_fail(h, "groupby needs an attribute");
	items = sorted(h, eval_items(h, v), attribute, true, false);
	for (size_t i = 0; i < items->list.n; i++) {
		const struct value *key = attribute_of(h, items->list.items[i], attribute);

		if (!group || !value_equal(group->list.items[0], key)) {
			group = list_new(h);
			members = list_new(h);
			list_push(h, group, key);
			list_push(h, group, members);
			group->kind = V_TUPLE;
			list_push(h, out, group);
		}
		list_push(h, members, items->list.items[i]);
	}
	return out;
}

FILTER(f_indent)
{
	const struct value *width = call_arg(c, 1, "width");
	int64_t n = width && width->kind == V_STRING ? (int64_t)width->s.n : call_int(h, c, 1, "width", 4);
	bool first = call_bool(c, 2, "first", false), blank = call_bool(c, 3, "blank", false);
	struct blob rest = value_text(h, v), line;
	struct text t = {0};
	bool start = true, ends = rest.n && rest.p[rest.n - 1] == '\n';

	for (; blob_token(&rest, '\n', &line); start = false) {
		if (!start)
			text_add_char(h, &t, '\n');
		if (start ? first : line.n || blank)
			for (int64_t i = 0; i < n && i < 1000; i++)
				text_add_char(h, &t, width && width->kind == V_STRING ? width->s.p[i] : ' ');
		text_add(h, &t, line);
	}
	if (ends)
		text_add_char(h, &t, '\n');
	return value_blob(h, text_blob(&t));
}

FILTER(f_yaml)
{
	return value_blob(h, yaml_write(h, v, call_bool(c, 1, "flow_style", true)));
}

FILTER(f_json)
{
	(void)c;
	return value_blob(h, json_write(h, v, false, 0));
}

FILTER(f_tojson)
{
	return value_blob(h, json_write(h, v, true, (unsigned)call_int(h, c, 1, "indent", 0) & 15));
}

FILTER(f_yaml_dquote)
{
	(void)c;
	return value_blob(h, yaml_dquote(h, value_text(h, v)));
}

FILTER(f_yaml_encode)
{
	(void)c;
	if (v->kind == V_STRING)
		return value_blob(h, yaml_dquote(h, v->s));
	if (v->kind == V_MAP || value_is_list(v))
		heap_fail(h, "yaml_encode takes single values, not %s", value_kind_name(v));
	return value_blob(h, yaml_write(h, v, true));
}

FILTER(f_quote)
{
	struct blob s = value_text(h, v);
	struct text t = {0};
	bool safe = s.n != 0;

	(void)c;
	for (size_t i = 0; i < s.n; i++)
		safe &= isalnum((unsigned char)s.p[i]) || (s.p[i] && strchr("@%+=:,./-_", s.p[i]));
	if (safe)
		return value_blob(h, s);
	text_add_char(h, &t, '\'');
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\'')
			text_add_str(h, &t, "'\"'\"'");
		else
			text_add_char(h, &t, s.p[i]);
	text_add_char(h, &t, '\'');
	return value_blob(h, text_blob(&t));
}

FILTER(f_regex_replace)
{
	unsigned flags = (call_bool(c, 3, "ignorecase", false) ? REGEX_ICASE : 0) |
			 (call_bool(c, 4, "multiline", false) ? REGEX_MULTILINE : 0);
	struct blob pattern = call_text(h, c, 1, "rgx", "");

	return value_blob(h, regex_replace(h, arena_strndup(h->arena, pattern.p, pattern.n), flags, value_text(h, v),
					   call_text(h, c, 2, "value", ""), 0));
}

static const struct value *regex_filter(struct heap *h, const struct value *v, const struct call *c, bool start)
{
	unsigned flags = (call_bool(c, 2, "ignorecase", false) ? REGEX_ICASE : 0) |
			 (call_bool(c, 3, "multiline", false) ? REGEX_MULTILINE : 0);
	struct blob pattern = call_text(h, c, 1, "rgx", "");
	const struct value *groups = regex_match(h, arena_strndup(h->arena, pattern.p, pattern.n), flags,
						 value_text(h, v), start);

	return groups ? groups : value_none();
}

FILTER(f_regex_match) { return regex_filter(h, v, c, true); }
FILTER(f_regex_search) { return regex_filter(h, v, c, false); }

FILTER(f_path_join)
{
	struct text t = {0};

	(void)v;
	for (size_t i = 0; i < c->n; i++) {
		struct blob part = value_text(h, c->args[i]);

		if (part.n && part.p[0] == '/')
			t.n = 0;
		if (t.n && t.p[t.n - 1] != '/')
			text_add_char(h, &t, '/');
		text_add(h, &t, part);
	}
	return value_blob(h, text_blob(&t));
}

FILTER(f_basename)
{
	struct blob s = value_text(h, v);
	const char *slash = s.n ? memrchr(s.p, '/', s.n) : NULL;

	(void)c;
	return value_blob(h, slash ? (struct blob){slash + 1, s.n - (size_t)(slash + 1 - s.p)} : s);
}

FILTER(f_dirname)
{
	struct blob s = value_text(h, v);
	const char *slash = s.n ? memrchr(s.p, '/', s.n) : NULL;
	size_t n = slash ? (size_t)(slash - s.p) : 0;

	(void)c;
	while (n > 1 && s.p[n - 1] == '/')
		n--;
	return value_blob(h, slash && !n ? BLOB("/") : (struct blob){s.p, n});
}

FILTER(f_is_text_file)
{
	_cleanup_fclose_ FILE *f = fopen(value_cstr(h, v), "re");
	char buf[512];
	size_t n = f ? fread(buf, 1, sizeof(buf), f) : 0;

	(void)c;
	return value_bool(f && !memchr(buf, 0, n));
}

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

FILTER(f_b64encode)
{
	struct blob s = value_text(h, v);
	struct text t = {0};

	(void)c;
	for (size_t i = 0; i < s.n; i += 3) {
		unsigned n = (unsigned)(unsigned char)s.p[i] << 16;

		n |= i + 1 < s.n ? (unsigned)(unsigned char)s.p[i + 1] << 8 : 0;
		n |= i + 2 < s.n ? (unsigned char)s.p[i + 2] : 0;
		text_add_char(h, &t, base64[n >> 18]);
		text_add_char(h, &t, base64[n >> 12 & 63]);
		text_add_char(h, &t, i + 1 < s.n ? base64[n >> 6 & 63] : '=');
		text_add_char(h, &t, i + 2 < s.n ? base64[n & 63] : '=');
	}
	return value_blob(h, text_blob(&t));
}

FILTER(f_b64decode)
{
	struct blob s = value_text(h, v);
	struct text t = {0};
	unsigned n = 0, bits = 0;

	(void)c;
	for (size_t i = 0; i < s.n && s.p[i] != '='; i++) {
		const char *at = s.p[i] ? strchr(base64, s.p[i]) : NULL;

		if (!at && !isspace((unsigned char)s.p[i]))
			heap_fail(h, "this is no base64");
		if (!at)
			continue;
		n = n << 6 | (unsigned)(at - base64);
		if ((bits += 6) >= 8)
			text_add_char(h, &t, (char)(n >> (bits -= 8)));
	}
	return value_blob(h, text_blob(&t));
}

static const struct {
	const char *name;
	value_function apply;
} filters[] = {
	{"default", f_default},	{"d", f_default},	{"join", f_join},	{"lower", f_lower},
	{"upper", f_upper},	{"title", f_title},	{"capitalize", f_capitalize}, {"replace", f_replace},
	{"trim", f_trim},	{"int", f_int},		{"float", f_float},	{"round", f_round},
	{"abs", f_abs},		{"length", f_length},	{"count", f_length},	{"first", f_first},
	{"last", f_last},	{"sort", f_sort},	{"unique", f_unique},	{"list", f_list},
	{"string", f_string},	{"reverse", f_reverse},	{"dictsort", f_dictsort}, {"items", f_items},
	{"yaml", f_yaml},	{"json", f_json},	{"tojson", f_tojson},	{"indent", f_indent},
	{"regex_replace", f_regex_replace}, {"regex_match", f_regex_match}, {"regex_search", f_regex_search},
	{"min", f_min},		{"max", f_max},		{"sum", f_sum},		{"map", f_map},
	{"select", f_select},	{"reject", f_reject},	{"selectattr", f_selectattr}, {"rejectattr", f_rejectattr},
	{"batch", f_batch},	{"groupby", f_groupby},	{"quote", f_quote},	{"path_join", f_path_join},
	{"basename", f_basename}, {"dirname", f_dirname}, {"is_text_file", f_is_text_file},
	{"yaml_encode", f_yaml_encode}, {"yaml_dquote", f_yaml_dquote},
	{"base64_encode", f_b64encode}, {"base64_decode", f_b64decode}, {"b64encode", f_b64encode},
	{"b64decode", f_b64decode},
};

const struct value *filter_apply(struct heap *h, const char *name, const struct call *call)
{
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
		if (!strcmp(filters[i].name, name))
			return filters[i].apply(h, call->args[0], call);
	heap_fail_remedy(h, SUPPORTED_LIST, "the filter '%s' is not supported", name);
}
