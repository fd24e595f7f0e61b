/* Expressions. */
#include "salt-lite/jinja/eval.h"

#include <math.h>

enum { STEPS_MAX = 5000000, EVAL_DEPTH = 200 };

void eval_step(struct jinja *j)
{
	if (++j->steps > STEPS_MAX)
		heap_fail(j->h, "it runs for more than %d steps", STEPS_MAX);
}

const struct value *call_arg(const struct call *c, size_t i, const char *name)
{
	return i < c->n ? c->args[i] : name ? map_get_str(c->named, name) : NULL;
}

struct blob call_text(struct heap *h, const struct call *c, size_t i, const char *name, const char *otherwise)
{
	const struct value *v = call_arg(c, i, name);

	return v && v->kind != V_NONE ? value_text(h, v) : blob_of(otherwise);
}

int64_t call_int(struct heap *h, const struct call *c, size_t i, const char *name, int64_t otherwise)
{
	const struct value *v = call_arg(c, i, name);

	if (!v || v->kind == V_NONE)
		return otherwise;
	if (v->kind != V_INT && v->kind != V_BOOL)
		heap_fail(h, "a whole number is needed, not %s", value_kind_name(v));
	return v->kind == V_BOOL ? v->b : v->i;
}

bool call_bool(const struct call *c, size_t i, const char *name, bool otherwise)
{
	const struct value *v = call_arg(c, i, name);

	return v ? value_true(v) : otherwise;
}

void call_check(struct heap *h, const char *function, const struct call *c, const char *places, const char *names)
{
	struct blob rest = blob_of(places), place, taken = {places, 0};

	for (size_t i = 0; i < c->n; i++) {
		if (!blob_word(&rest, &place))
			heap_fail(h, "%s takes at most %zu arguments by position", function, i);
		taken.n = (size_t)(rest.p - places);
	}
	for (size_t i = 0; c->named && i < c->named->map.n; i++) {
		const char *name = value_cstr(h, c->named->map.pairs[i].key);

		if (blob_has_word(taken, name))
			heap_fail(h, "%s has the argument '%s' twice", function, name);
		if (!blob_has_word(blob_of(places), name) && !blob_has_word(blob_of(names), name))
			heap_fail(h, "%s has no argument '%s'", function, name);
	}
}

static size_t rune_length(struct blob s, size_t at)
{
	size_t n = 1;

	while (at + n < s.n && ((unsigned char)s.p[at + n] & 0xc0) == 0x80)
		n++;
	return n;
}

static struct value *runes(struct heap *h, struct blob s)
{
	struct value *list = list_new(h);

	for (size_t at = 0, n; at < s.n; at += n) {
		n = rune_length(s, at);
		list_push(h, list, value_blob(h, (struct blob){s.p + at, n}));
	}
	return list;
}

const struct value *eval_items(struct heap *h, const struct value *v)
{
	struct value *list;

	if (value_is_list(v))
		return v;
	if (v->kind == V_STRING)
		return runes(h, v->s);
	if (v->kind == V_UNDEFINED)
		heap_fail(h, "'%.*s' is undefined", BLOB_ARG(v->s));
	if (v->kind != V_MAP)
		heap_fail(h, "%s has no members to walk over", value_kind_name(v));
	list = list_new(h);
	for (size_t i = 0; i < v->map.n; i++)
		list_push(h, list, v->map.pairs[i].key);
	return list;
}

size_t eval_length(struct heap *h, const struct value *v)
{
	size_t n = 0;

	if (v->kind != V_STRING)
		return v->kind == V_MAP ? v->map.n : eval_items(h, v)->list.n;
	for (size_t at = 0; at < v->s.n; n++)
		at += rune_length(v->s, at);
	return n;
}

bool eval_contains(struct heap *h, const struct value *in, const struct value *v)
{
	if (in->kind == V_UNDEFINED)
		return false;
	if (in->kind == V_MAP)
		return map_get(in, v) != NULL;
	if (in->kind == V_STRING) {
		if (v->kind != V_STRING)
			heap_fail(h, "only a text can be in a text, not %s", value_kind_name(v));
		return memmem(in->s.p, in->s.n, v->s.p, v->s.n) != NULL;
	}
	in = eval_items(h, in);
	for (size_t i = 0; i < in->list.n; i++)
		if (value_equal(in->list.items[i], v))
			return true;
	return false;
}

static const struct value *lookup(struct run *r, const char *name)
{
	const struct value *v = NULL;

	for (const struct scope *s = r->scope; s && !v; s = s->up)
		v = map_get_str(s->vars, name);
	if (!v)
		v = map_get_str(r->j->globals, name);
	if (!v)
		v = global_find(r->h, name);
	return v ? v : value_undefined(r->h, name);
}

const struct value *eval_attribute(struct heap *h, const struct value *v, const char *name)
{
	const struct value *found;

	if (v->kind == V_UNDEFINED)
		heap_fail(h, "'%.*s' is undefined", BLOB_ARG(v->s));
	if (v->kind == V_FUNCTION && !v->function.name)
		return eval_item(h, v, value_string(h, name));
	found = v->kind == V_MAP && v->object ? map_get_str(v, name) : method_find(h, v, name);
	if (!found && v->kind == V_MAP)
		found = map_get_str(v, name);
	return found ? found : value_undefined(h, name);
}

static const struct value *item_at(struct heap *h, const struct value *list, const struct value *key)
{
	int64_t i;

	if (key->kind != V_INT)
		return value_undefined(h, value_cstr(h, key));
	i = key->i < 0 ? key->i + (int64_t)list->list.n : key->i;
	return i >= 0 && (size_t)i < list->list.n ? list->list.items[i] : value_undefined(h, "an item beyond the end");
}

/* A function without a name is a library of functions, like `salt`: its items come from a call. */
const struct value *eval_item(struct heap *h, const struct value *v, const struct value *key)
{
	const struct value *found;

	if (v->kind == V_UNDEFINED)
		heap_fail(h, "'%.*s' is undefined", BLOB_ARG(v->s));
	if (v->kind == V_FUNCTION && !v->function.name)
		return v->function.call(h, v->function.self, &(struct call){&key, 1, NULL, v->function.data});
	if (value_is_list(v))
		return item_at(h, v, key);
	if (v->kind == V_STRING)
		return item_at(h, runes(h, v->s), key);
	found = v->kind == V_MAP && key->kind != V_UNDEFINED ? map_get(v, key) : NULL;
	if (!found && key->kind == V_STRING && v->kind == V_MAP && !v->object)
		found = method_find(h, v, value_cstr(h, key));
	return found ? found : value_undefined(h, value_cstr(h, key));
}

static int64_t bound(struct run *r, const struct node *n, int64_t length, int64_t otherwise, int64_t low)
{
	const struct value *v = n ? eval(r, n) : value_none();
	int64_t i;

	if (v->kind == V_NONE)
		return otherwise;
	if (v->kind != V_INT)
		heap_fail(r->h, "a slice needs whole numbers");
	i = v->i < 0 ? v->i + length : v->i;
	return i < low ? low : i > length + low ? length + low : i;
}

static const struct value *eval_slice(struct run *r, const struct node *n)
{
	const struct value *v = eval(r, n->a), *items = eval_items(r->h, v);
	const struct value *step_value = n->list[2] ? eval(r, n->list[2]) : NULL;
	int64_t step = step_value && step_value->kind == V_INT ? step_value->i : 1;
	int64_t length = (int64_t)items->list.n, low = step < 0 ? -1 : 0, from, to;
	struct value *out = list_new(r->h);
	struct text t = {0};

	if (!step)
		heap_fail(r->h, "the step of a slice cannot be 0");
	from = bound(r, n->list[0], length, step < 0 ? length - 1 : 0, low);
	to = bound(r, n->list[1], length, step < 0 ? -1 : length, low);
	for (int64_t i = from; step > 0 ? i < to : i > to;) {
		list_push(r->h, out, items->list.items[i]);
		if (__builtin_add_overflow(i, step, &i))
			break;
	}
	if (v->kind != V_STRING) {
		out->kind = v->kind == V_TUPLE ? V_TUPLE : V_LIST;
		return out;
	}
	for (size_t i = 0; i < out->list.n; i++)
		text_add(r->h, &t, out->list.items[i]->s);
	return value_blob(r->h, text_blob(&t));
}

static int64_t int_power(struct heap *h, int64_t base, int64_t by)
{
	int64_t n = 1;

	for (; by > 0; by--)
		if (__builtin_mul_overflow(n, base, &n))
			heap_fail(h, "a number beyond 64 bits");
		else if (n == 0 || (n == 1 && base == 1))
			break;
		else if (base == -1)
			return by % 2 ? n : -n;
	return n;
}

static const struct value *int_operation(struct heap *h, char op, int64_t a, int64_t b)
{
	bool wrong = false;
	int64_t n = 0;

	if (op == '+')
		wrong = __builtin_add_overflow(a, b, &n);
	else if (op == '-')
		wrong = __builtin_sub_overflow(a, b, &n);
	else if (op == '*')
		wrong = __builtin_mul_overflow(a, b, &n);
	else if (op == '^')
		n = int_power(h, a, b);
	else if (b == -1)
		wrong = op == 'd' && __builtin_sub_overflow((int64_t)0, a, &n);
	else {
		/* Python rounds down. */
		int64_t quotient = a / b - (a % b != 0 && (a < 0) != (b < 0));

		n = op == 'd' ? quotient : a - quotient * b;
	}
	if (wrong)
		heap_fail(h, "a number beyond 64 bits");
	return value_int(h, n);
}

static const struct value *number_operation(struct heap *h, char op, const struct value *a, const struct value *b)
{
	double x = value_number(a), y = value_number(b);
	bool whole = a->kind != V_FLOAT && b->kind != V_FLOAT;

	if (strchr("/d%", op) && y == 0)
		heap_fail(h, "division by zero");
	if (whole && op != '/' && !(op == '^' && y < 0))
		return int_operation(h, op, a->kind == V_BOOL ? a->b : a->i, b->kind == V_BOOL ? b->b : b->i);
	switch (op) {
	case '+':
		return value_float(h, x + y);
	case '-':
		return value_float(h, x - y);
	case '*':
		return value_float(h, x * y);
	case '^':
		return value_float(h, pow(x, y));
	case 'd':
		return value_float(h, floor(x / y));
	case '%':
		return value_float(h, x - floor(x / y) * y);
	default:
		return value_float(h, x / y);
	}
}

static const struct value *repeat(struct heap *h, const struct value *v, int64_t times)
{
	struct value *list = list_new(h);
	struct text t = {0};

	if (v->kind == V_STRING) {
		if (times > 0 && v->s.n && (uint64_t)times > STRING_MAX / v->s.n)
			heap_fail(h, "a text grows beyond %u MiB", STRING_MAX >> 20);
		for (int64_t i = 0; v->s.n && i < times; i++)
			text_add(h, &t, v->s);
		return value_blob(h, text_blob(&t));
	}
	for (int64_t i = 0; v->list.n && i < times; i++)
		for (size_t k = 0; k < v->list.n; k++)
			list_push(h, list, v->list.items[k]);
	list->kind = v->kind;
	return list;
}

static const struct value *join_two(struct heap *h, const struct value *a, const struct value *b)
{
	struct value *list = list_new(h);
	struct text t = {0};

	if (a->kind == V_STRING) {
		text_add(h, &t, a->s);
		text_add(h, &t, b->s);
		return value_blob(h, text_blob(&t));
	}
	for (size_t i = 0; i < a->list.n; i++)
		list_push(h, list, a->list.items[i]);
	for (size_t i = 0; i < b->list.n; i++)
		list_push(h, list, b->list.items[i]);
	list->kind = a->kind;
	return list;
}

const struct value *eval_binary(struct heap *h, const char *op, const struct value *a, const struct value *b)
{
	char c = !strcmp(op, "//") ? 'd' : !strcmp(op, "**") ? '^' : op[0];

	if (a->kind == V_UNDEFINED || b->kind == V_UNDEFINED)
		value_text(h, a->kind == V_UNDEFINED ? a : b);
	if (c == '~')
		return join_two(h, value_blob(h, value_text(h, a)), value_blob(h, value_text(h, b)));
	if (value_is_number(a) && value_is_number(b))
		return number_operation(h, c, a, b);
	if (c == '+' && a->kind == b->kind && (a->kind == V_STRING || value_is_list(a)))
		return join_two(h, a, b);
	if (c == '*' && (a->kind == V_STRING || value_is_list(a)) && b->kind == V_INT)
		return repeat(h, a, b->i);
	if (c == '*' && (b->kind == V_STRING || value_is_list(b)) && a->kind == V_INT)
		return repeat(h, b, a->i);
	if (c == '%' && a->kind == V_STRING)
		return format_percent(h, a->s, b);
	heap_fail(h, "%s and %s cannot be combined with '%s'", value_kind_name(a), value_kind_name(b), op);
}

static bool compare_one(struct heap *h, const char *op, const struct value *a, const struct value *b)
{
	int order;

	if (!strcmp(op, "=="))
		return value_equal(a, b);
	if (!strcmp(op, "!="))
		return !value_equal(a, b);
	if (!strcmp(op, "in"))
		return eval_contains(h, b, a);
	if (!strcmp(op, "not in"))
		return !eval_contains(h, b, a);
	order = value_compare(h, a, b);
	if (op[1])
		return op[0] == '<' ? order <= 0 : order >= 0;
	return op[0] == '<' ? order < 0 : order > 0;
}

static const struct value *eval_compare(struct run *r, const struct node *n)
{
	const struct value *left = eval(r, n->list[0]);

	for (size_t i = 0; i < n->n_names; i++) {
		const struct value *right = eval(r, n->list[i + 1]);

		if (!compare_one(r->h, n->names[i], left, right))
			return value_bool(false);
		left = right;
	}
	return value_bool(true);
}

/* Evaluates the arguments of a call node; `first` (may be NULL) goes before them. */
static struct call arguments(struct run *r, const struct node *n, const struct value *first)
{
	struct value *list = list_new(r->h), *named = NULL;
	size_t positional = n->n - n->n_names;

	if (first)
		list_push(r->h, list, first);
	for (size_t i = 0; i < positional; i++)
		list_push(r->h, list, eval(r, n->list[i]));
	for (size_t i = 0; i < n->n_names; i++) {
		named = named ? named : map_new(r->h);
		map_set_str(r->h, named, n->names[i], eval(r, n->list[positional + i]));
	}
	return (struct call){list->list.items, list->list.n, named, NULL};
}

const struct value *eval_call(struct heap *h, const struct value *function, const struct call *call)
{
	struct call with_data = *call;

	if (function->kind == V_UNDEFINED)
		heap_fail(h, "'%.*s' is undefined", BLOB_ARG(function->s));
	if (function->kind != V_FUNCTION || !function->function.name)
		heap_fail(h, "%s cannot be called", value_kind_name(function));
	with_data.data = function->function.data;
	return function->function.call(h, function->function.self, &with_data);
}

static const struct value *eval_call_node(struct run *r, const struct node *n)
{
	const struct value *function = eval(r, n->a);
	struct call call = arguments(r, n, NULL);

	r->h->line = n->line;
	return eval_call(r->h, function, &call);
}

static const struct value *eval_collection(struct run *r, const struct node *n)
{
	struct value *out = n->kind == N_DICT ? map_new(r->h) : list_new(r->h);

	if (n->kind == N_DICT) {
		for (size_t i = 0; i + 1 < n->n; i += 2)
			map_set(r->h, out, eval(r, n->list[i]), eval(r, n->list[i + 1]));
		return out;
	}
	for (size_t i = 0; i < n->n; i++)
		list_push(r->h, out, eval(r, n->list[i]));
	out->kind = n->kind == N_TUPLE ? V_TUPLE : V_LIST;
	return out;
}

static const struct value *eval_filter(struct run *r, const struct node *n)
{
	struct call call = arguments(r, n, eval(r, n->a));

	r->h->line = n->line;
	return filter_apply(r->h, n->name, &call);
}

static const struct value *eval_test(struct run *r, const struct node *n)
{
	struct call call = arguments(r, n, eval(r, n->a));

	return value_bool(test_apply(r->h, n->name, &call));
}

static const struct value *eval_condition(struct run *r, const struct node *n)
{
	if (value_true(eval(r, n->b)))
		return eval(r, n->a);
	return n->c ? eval(r, n->c) : value_undefined(r->h, "");
}

static const struct value *eval_unary(struct run *r, const struct node *n)
{
	const struct value *v = eval(r, n->a);

	if (!value_is_number(v))
		heap_fail(r->h, "%s has no sign", value_kind_name(v));
	return eval_binary(r->h, n->name, value_int(r->h, 0), v);
}

static const struct value *eval_kind(struct run *r, const struct node *n)
{
	const struct value *v;

	switch ((int)n->kind) {
	case N_CONST:
		return n->value;
	case N_NAME:
		return lookup(r, n->name);
	case N_ATTR:
		return eval_attribute(r->h, eval(r, n->a), n->name);
	case N_ITEM:
		v = eval(r, n->a);
		return eval_item(r->h, v, eval(r, n->b));
	case N_SLICE:
		return eval_slice(r, n);
	case N_CALL:
		return eval_call_node(r, n);
	case N_FILTER:
		return eval_filter(r, n);
	case N_TEST:
		return eval_test(r, n);
	case N_NOT:
		return value_bool(!value_true(eval(r, n->a)));
	case N_AND:
		v = eval(r, n->a);
		return value_true(v) ? eval(r, n->b) : v;
	case N_OR:
		v = eval(r, n->a);
		return value_true(v) ? v : eval(r, n->b);
	case N_UNARY:
		return eval_unary(r, n);
	case N_BINARY:
		v = eval(r, n->a);
		return eval_binary(r->h, n->name, v, eval(r, n->b));
	case N_COMPARE:
		return eval_compare(r, n);
	case N_CONDITION:
		return eval_condition(r, n);
	default:
		return eval_collection(r, n);
	}
}

const struct value *eval(struct run *r, const struct node *n)
{
	const struct value *v;

	eval_step(r->j);
	if (++r->j->depth > EVAL_DEPTH)
		heap_fail(r->h, "it calls itself deeper than %d levels", EVAL_DEPTH);
	r->h->line = n->line;
	v = eval_kind(r, n);
	r->j->depth--;
	return v;
}
