#include "salt-lite/jinja/ast.h"

static struct node *parse_unary(struct parser *p, bool filters);

static void arguments(struct parser *p, struct node *call)
{
	expect_op(p, "(");
	while (!is_op(p, ")")) {
		const struct token *next = &p->tokens.v[p->at + 1];

		if (is_op(p, "*") || is_op(p, "**"))
			heap_fail(p->h, "*args and **kwargs in calls are not supported");
		if (peek(p)->kind == T_NAME && next->kind == T_OPERATOR && blob_is(next->text, "=")) {
			node_name(p, call, expect_name(p));
			expect_op(p, "=");
		} else if (call->n_names) {
			heap_fail(p->h, "an argument by position after one by name");
		}
		node_push(p, call, parse_expression(p));
		if (!accept_op(p, ","))
			break;
	}
	expect_op(p, ")");
}

static struct node *parse_dict(struct parser *p)
{
	struct node *n = node_new(p, N_DICT);

	while (!accept_op(p, "}")) {
		node_push(p, n, parse_expression(p));
		expect_op(p, ":");
		node_push(p, n, parse_expression(p));
		if (!accept_op(p, ",")) {
			expect_op(p, "}");
			break;
		}
	}
	return n;
}

static struct node *parse_list(struct parser *p, enum node_kind kind, const char *close)
{
	struct node *n = node_new(p, kind);

	while (!accept_op(p, close)) {
		node_push(p, n, parse_expression(p));
		if (!accept_op(p, ",")) {
			expect_op(p, close);
			if (kind == N_TUPLE && n->n == 1)
				return n->list[0];
			break;
		}
	}
	return n;
}

static struct node *constant(struct parser *p, const struct value *v)
{
	struct node *n = node_new(p, N_CONST);

	n->value = v;
	return n;
}

static struct node *parse_name(struct parser *p)
{
	const char *name = expect_name(p);
	struct node *n;

	if (!strcmp(name, "true") || !strcmp(name, "True"))
		return constant(p, value_bool(true));
	if (!strcmp(name, "false") || !strcmp(name, "False"))
		return constant(p, value_bool(false));
	if (!strcmp(name, "none") || !strcmp(name, "None"))
		return constant(p, value_none());
	n = node_new(p, N_NAME);
	n->name = name;
	p->uses |= !strcmp(name, "varargs") ? USES_VARARGS : !strcmp(name, "kwargs") ? USES_KWARGS
							 : !strcmp(name, "caller")   ? USES_CALLER
										     : 0;
	return n;
}

static struct node *parse_strings(struct parser *p)
{
	struct text t = {0};

	while (peek(p)->kind == T_STRING)
		text_add(p->h, &t, take(p)->value->s);
	return constant(p, value_blob(p->h, text_blob(&t)));
}

static struct node *parse_primary(struct parser *p)
{
	const struct token *t = peek(p);

	if (t->kind == T_NAME)
		return parse_name(p);
	if (t->kind == T_STRING)
		return parse_strings(p);
	if (t->kind == T_INT || t->kind == T_FLOAT)
		return constant(p, take(p)->value);
	if (accept_op(p, "("))
		return parse_list(p, N_TUPLE, ")");
	if (accept_op(p, "["))
		return parse_list(p, N_LIST, "]");
	if (accept_op(p, "{"))
		return parse_dict(p);
	if (t->kind == T_OPERATOR)
		heap_fail(p->h, "a value is expected before '%.*s'", BLOB_ARG(t->text));
	heap_fail(p->h, "a value is expected before the end of the tag");
}

static struct node *parse_subscript(struct parser *p, struct node *of)
{
	struct node *n = node_new(p, N_ITEM), *parts[3] = {NULL, NULL, NULL};
	int colons = 0;

	n->a = of;
	while (!is_op(p, "]")) {
		if (accept_op(p, ":")) {
			if (++colons > 2)
				heap_fail(p->h, "a slice has at most two colons");
			continue;
		}
		parts[colons] = parse_expression(p);
	}
	expect_op(p, "]");
	if (!colons && !parts[0])
		heap_fail(p->h, "an empty subscript");
	n->b = parts[0];
	if (colons) {
		n->kind = N_SLICE;
		for (int i = 0; i < 3; i++)
			node_push(p, n, parts[i]);
	}
	return n;
}

static struct node *parse_attribute(struct parser *p, struct node *of)
{
	struct node *n = node_new(p, N_ATTR);

	n->a = of;
	if (peek(p)->kind == T_INT) {
		n->kind = N_ITEM;
		n->b = constant(p, take(p)->value);
	} else {
		n->name = expect_name(p);
	}
	return n;
}

static struct node *parse_postfix(struct parser *p, struct node *n)
{
	for (;;) {
		if (accept_op(p, ".")) {
			n = parse_attribute(p, n);
		} else if (accept_op(p, "[")) {
			n = parse_subscript(p, n);
		} else if (is_op(p, "(")) {
			struct node *call = node_new(p, N_CALL);

			call->a = n;
			arguments(p, call);
			n = call;
		} else {
			return n;
		}
	}
}

struct node *parse_filter_named(struct parser *p, struct node *of)
{
	struct node *n = node_new(p, N_FILTER);

	n->a = of;
	n->name = expect_name(p);
	if (is_op(p, "("))
		arguments(p, n);
	return n;
}

struct node *parse_filters(struct parser *p, struct node *n)
{
	while (accept_op(p, "|"))
		n = parse_filter_named(p, n);
	return n;
}

static bool starts_argument(const struct parser *p)
{
	const struct token *t = peek(p);

	if (t->kind == T_NAME)
		return !is_word(p, "else") && !is_word(p, "or") && !is_word(p, "and") && !is_word(p, "is") &&
		       !is_word(p, "if") && !is_word(p, "in") && !is_word(p, "not");
	return t->kind == T_STRING || t->kind == T_INT || t->kind == T_FLOAT || is_op(p, "[") || is_op(p, "{");
}

static struct node *parse_test(struct parser *p, struct node *of)
{
	bool negated = accept_word(p, "not");
	struct node *n = node_new(p, N_TEST), *wrap;

	n->a = of;
	n->name = expect_name(p);
	if (is_op(p, "("))
		arguments(p, n);
	else if (starts_argument(p))
		node_push(p, n, parse_postfix(p, parse_primary(p)));
	if (!negated)
		return n;
	wrap = node_new(p, N_NOT);
	wrap->a = n;
	return wrap;
}

static struct node *parse_unary(struct parser *p, bool filters)
{
	struct node *n;

	parse_enter(p);
	if (is_op(p, "-") || is_op(p, "+")) {
		n = node_new(p, N_UNARY);
		n->name = accept_op(p, "-") ? "-" : (expect_op(p, "+"), "+");
		n->a = parse_unary(p, false);
	} else {
		n = parse_primary(p);
	}
	n = parse_postfix(p, n);
	while (filters) {
		if (is_op(p, "|"))
			n = parse_filters(p, n);
		else if (accept_word(p, "is"))
			n = parse_test(p, n);
		else if (is_op(p, "("))
			n = parse_postfix(p, n);
		else
			break;
	}
	parse_leave(p);
	return n;
}

static struct node *binary(struct parser *p, struct node *a, const char *op, struct node *b)
{
	struct node *n = node_new(p, N_BINARY);

	n->name = op;
	n->a = a;
	n->b = b;
	return n;
}

/* Operators of each level, from those that bind most. */
static const char *const levels[][5] = {{"**"}, {"*", "/", "//", "%"}, {"~"}, {"+", "-"}};

static struct node *parse_level(struct parser *p, int level)
{
	struct node *n = level < 0 ? parse_unary(p, true) : parse_level(p, level - 1);
	bool again = level >= 0;

	while (again) {
		again = false;
		for (const char *const *op = levels[level]; *op && !again; op++)
			if (accept_op(p, *op)) {
				n = binary(p, n, *op, parse_level(p, level - 1));
				again = true;
			}
	}
	return n;
}

static const char *accept_comparison(struct parser *p)
{
	static const char *const ops[] = {"==", "!=", "<=", ">=", "<", ">", NULL};
	const struct token *after = &p->tokens.v[p->at + (peek(p)->kind != T_END)];

	for (const char *const *op = ops; *op; op++)
		if (accept_op(p, *op))
			return *op;
	if (accept_word(p, "in"))
		return "in";
	if (is_word(p, "not") && after->kind == T_NAME && blob_is(after->text, "in")) {
		p->at += 2;
		return "not in";
	}
	return NULL;
}

static struct node *parse_compare(struct parser *p)
{
	struct node *first = parse_level(p, 3), *n = NULL;
	const char *op;

	while ((op = accept_comparison(p))) {
		if (!n) {
			n = node_new(p, N_COMPARE);
			node_push(p, n, first);
		}
		node_name(p, n, op);
		node_push(p, n, parse_level(p, 3));
	}
	return n ? n : first;
}

static struct node *parse_not(struct parser *p)
{
	struct node *n;

	if (!accept_word(p, "not"))
		return parse_compare(p);
	parse_enter(p);
	n = node_new(p, N_NOT);
	n->a = parse_not(p);
	parse_leave(p);
	return n;
}

static struct node *parse_and(struct parser *p)
{
	struct node *n = parse_not(p);

	while (accept_word(p, "and")) {
		struct node *both = node_new(p, N_AND);

		both->a = n;
		both->b = parse_not(p);
		n = both;
	}
	return n;
}

struct node *parse_or(struct parser *p)
{
	struct node *n = parse_and(p);

	while (accept_word(p, "or")) {
		struct node *either = node_new(p, N_OR);

		either->a = n;
		either->b = parse_and(p);
		n = either;
	}
	return n;
}

struct node *parse_expression(struct parser *p)
{
	struct node *n;

	parse_enter(p);
	n = parse_or(p);
	while (accept_word(p, "if")) {
		struct node *condition = node_new(p, N_CONDITION);

		condition->a = n;
		condition->b = parse_or(p);
		condition->c = accept_word(p, "else") ? parse_expression(p) : NULL;
		n = condition;
	}
	parse_leave(p);
	return n;
}

struct node *parse_tuple(struct parser *p, struct node *(*item)(struct parser *p))
{
	struct node *first = item(p), *n;

	if (!is_op(p, ","))
		return first;
	n = node_new(p, N_TUPLE);
	node_push(p, n, first);
	while (accept_op(p, ",")) {
		enum token_kind kind = peek(p)->kind;

		if (kind == T_TAG_END || kind == T_PRINT_END || is_op(p, "=") || is_word(p, "in"))
			break;
		node_push(p, n, item(p));
	}
	return n;
}

static struct node *target_item(struct parser *p)
{
	struct node *n;

	if (accept_op(p, "(")) {
		n = parse_target(p);
		expect_op(p, ")");
		return n;
	}
	n = node_new(p, N_NAME);
	n->name = expect_name(p);
	if (accept_op(p, ".")) {
		struct node *attr = node_new(p, N_ATTR);

		attr->a = n;
		attr->name = expect_name(p);
		return attr;
	}
	return n;
}

struct node *parse_target(struct parser *p)
{
	struct node *n;

	parse_enter(p);
	n = parse_tuple(p, target_item);
	parse_leave(p);
	return n;
}
