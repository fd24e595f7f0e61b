/* What stands behind "is". */
#include <ctype.h>

#include "salt-lite/jinja/eval.h"
#include "salt-lite/value/regex.h"

#define IS_TEST(name) static bool name(struct heap *h, const struct value *v, const struct call *c)
#define UNUSED (void)h, (void)c

static const struct value *other(struct heap *h, const struct call *c)
{
	if (c->n < 2)
		heap_fail(h, "the test needs something to compare with");
	return c->args[1];
}

static int64_t whole(struct heap *h, const struct value *v)
{
	if (v->kind != V_INT && v->kind != V_BOOL)
		heap_fail(h, "a whole number is needed, not %s", value_kind_name(v));
	return v->kind == V_BOOL ? v->b : v->i;
}

IS_TEST(t_defined) { UNUSED; return v->kind != V_UNDEFINED; }
IS_TEST(t_undefined) { UNUSED; return v->kind == V_UNDEFINED; }
IS_TEST(t_none) { UNUSED; return v->kind == V_NONE; }
IS_TEST(t_string) { UNUSED; return v->kind == V_STRING; }
IS_TEST(t_number) { UNUSED; return value_is_number(v); }
IS_TEST(t_integer) { UNUSED; return v->kind == V_INT; }
IS_TEST(t_float) { UNUSED; return v->kind == V_FLOAT; }
IS_TEST(t_boolean) { UNUSED; return v->kind == V_BOOL; }
IS_TEST(t_true) { UNUSED; return v->kind == V_BOOL && v->b; }
IS_TEST(t_false) { UNUSED; return v->kind == V_BOOL && !v->b; }
IS_TEST(t_mapping) { UNUSED; return v->kind == V_MAP; }
IS_TEST(t_sequence) { UNUSED; return value_is_list(v) || v->kind == V_STRING || v->kind == V_MAP; }
IS_TEST(t_callable) { UNUSED; return v->kind == V_FUNCTION; }
IS_TEST(t_even) { (void)c; return whole(h, v) % 2 == 0; }
IS_TEST(t_odd) { (void)c; return whole(h, v) % 2 != 0; }
IS_TEST(t_equal) { return value_equal(v, other(h, c)); }
IS_TEST(t_different) { return !value_equal(v, other(h, c)); }
IS_TEST(t_in) { return eval_contains(h, other(h, c), v); }
IS_TEST(t_less) { return value_compare(h, v, other(h, c)) < 0; }
IS_TEST(t_less_equal) { return value_compare(h, v, other(h, c)) <= 0; }
IS_TEST(t_greater) { return value_compare(h, v, other(h, c)) > 0; }
IS_TEST(t_greater_equal) { return value_compare(h, v, other(h, c)) >= 0; }

IS_TEST(t_sameas)
{
	const struct value *o = other(h, c);

	if (v->kind != o->kind)
		return false;
	return value_is_list(v) || v->kind == V_MAP ? v == o : value_equal(v, o);
}

IS_TEST(t_divisibleby)
{
	int64_t by = whole(h, other(h, c));

	if (!by)
		heap_fail(h, "division by zero");
	return by == -1 || whole(h, v) % by == 0;
}

IS_TEST(t_lower)
{
	struct blob s = value_text(h, v);
	bool letters = false;

	(void)c;
	for (size_t i = 0; i < s.n; i++) {
		if (isupper((unsigned char)s.p[i]))
			return false;
		letters |= islower((unsigned char)s.p[i]) != 0;
	}
	return letters;
}

IS_TEST(t_upper)
{
	struct blob s = value_text(h, v);
	bool letters = false;

	(void)c;
	for (size_t i = 0; i < s.n; i++) {
		if (islower((unsigned char)s.p[i]))
			return false;
		letters |= isupper((unsigned char)s.p[i]) != 0;
	}
	return letters;
}

IS_TEST(t_match)
{
	struct blob pattern = value_text(h, other(h, c));
	unsigned flags = (call_bool(c, 2, "ignorecase", false) ? REGEX_ICASE : 0) |
			 (call_bool(c, 3, "multiline", false) ? REGEX_MULTILINE : 0);

	return regex_match(h, arena_strndup(h->arena, pattern.p, pattern.n), flags, value_text(h, v), true) != NULL;
}

static const struct {
	const char *name;
	bool (*holds)(struct heap *h, const struct value *v, const struct call *c);
} tests[] = {
	{"defined", t_defined},	{"undefined", t_undefined}, {"none", t_none},	{"string", t_string},
	{"number", t_number},	{"integer", t_integer},	{"float", t_float},	{"boolean", t_boolean},
	{"true", t_true},	{"false", t_false},	{"mapping", t_mapping}, {"sequence", t_sequence},
	{"iterable", t_sequence}, {"callable", t_callable}, {"even", t_even},	{"odd", t_odd},
	{"sameas", t_sameas},	{"equalto", t_equal},	{"eq", t_equal},	{"==", t_equal},
	{"ne", t_different},	{"!=", t_different},	{"in", t_in},		{"lt", t_less},
	{"lessthan", t_less},	{"<", t_less},		{"le", t_less_equal},	{"<=", t_less_equal},
	{"gt", t_greater},	{"greaterthan", t_greater}, {">", t_greater},	{"ge", t_greater_equal},
	{">=", t_greater_equal}, {"divisibleby", t_divisibleby}, {"lower", t_lower}, {"upper", t_upper},
	{"match", t_match},
};

bool test_apply(struct heap *h, const char *name, const struct call *call)
{
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		if (!strcmp(tests[i].name, name))
			return tests[i].holds(h, call->args[0], call);
	heap_fail_remedy(h, SUPPORTED_LIST, "the test '%s' is not supported", name);
}
