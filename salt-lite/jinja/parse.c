/* Tags. */
#include "salt-lite/jinja/ast.h"

enum { PARSE_DEPTH = 100 };

const struct token *peek(const struct parser *p)
{
	return &p->tokens.v[p->at];
}

const struct token *take(struct parser *p)
{
	const struct token *t = peek(p);

	p->h->line = t->line;
	if (t->kind != T_END)
		p->at++;
	return t;
}

bool is_op(const struct parser *p, const char *op)
{
	return peek(p)->kind == T_OPERATOR && blob_is(peek(p)->text, op);
}

bool is_word(const struct parser *p, const char *word)
{
	return peek(p)->kind == T_NAME && blob_is(peek(p)->text, word);
}

bool accept_op(struct parser *p, const char *op)
{
	bool found = is_op(p, op);

	if (found)
		take(p);
	return found;
}

bool accept_word(struct parser *p, const char *word)
{
	bool found = is_word(p, word);

	if (found)
		take(p);
	return found;
}

static _Noreturn void unexpected(struct parser *p, const char *wanted)
{
	const struct token *t = peek(p);

	p->h->line = t->line;
	if (t->text.n && t->kind != T_DATA)
		heap_fail(p->h, "%s is expected, not '%.*s'", wanted, BLOB_ARG(t->text));
	heap_fail(p->h, "%s is expected", wanted);
}

void expect_op(struct parser *p, const char *op)
{
	if (!accept_op(p, op)) {
		char wanted[] = "'xx'";

		snprintf(wanted, sizeof(wanted), "'%.2s'", op);
		if (!op[1])
			wanted[2] = '\'', wanted[3] = 0;
		unexpected(p, wanted);
	}
}

const char *expect_name(struct parser *p)
{
	const struct token *t = peek(p);

	if (t->kind != T_NAME)
		unexpected(p, "a name");
	take(p);
	return arena_strndup(p->h->arena, t->text.p, t->text.n);
}

struct node *node_new(struct parser *p, enum node_kind kind)
{
	struct node *n = heap_alloc(p->h, sizeof(*n));

	n->kind = kind;
	n->line = peek(p)->line;
	return n;
}

static void *grown(struct parser *p, void *old, size_t n)
{
	void *v;

	if (n & (n - 1))
		return old;
	v = heap_alloc(p->h, (n ? n * 2 : 1) * sizeof(void *));
	if (n)
		memcpy(v, old, n * sizeof(void *));
	return v;
}

void node_push(struct parser *p, struct node *n, struct node *child)
{
	n->list = grown(p, n->list, n->n);
	n->list[n->n++] = child;
}

void node_name(struct parser *p, struct node *n, const char *name)
{
	n->names = grown(p, n->names, n->n_names);
	n->names[n->n_names++] = name;
}

void parse_enter(struct parser *p)
{
	if (++p->depth > PARSE_DEPTH)
		heap_fail(p->h, "nested deeper than %d levels", PARSE_DEPTH);
}

void parse_leave(struct parser *p)
{
	p->depth--;
}

static struct node *parse_body(struct parser *p, const char *const *ends);

/* The body up to {% end %}, which is consumed. */
static struct node *body_until(struct parser *p, const char *end)
{
	struct node *n = parse_body(p, (const char *const[]){end, NULL});

	take(p);
	return n;
}

static void tag_end(struct parser *p)
{
	if (peek(p)->kind != T_TAG_END)
		unexpected(p, "the end of the tag");
	take(p);
}

static struct node *tag_if(struct parser *p)
{
	static const char *const ends[] = {"elif", "else", "endif", NULL};
	struct node *n = node_new(p, N_IF);

	do {
		node_push(p, n, parse_tuple(p, parse_expression));
		tag_end(p);
		node_push(p, n, parse_body(p, ends));
	} while (accept_word(p, "elif"));
	if (accept_word(p, "else")) {
		tag_end(p);
		n->b = body_until(p, "endif");
	} else {
		take(p);
	}
	return n;
}

static struct node *tag_for(struct parser *p)
{
	static const char *const ends[] = {"else", "endfor", NULL};
	struct node *n = node_new(p, N_FOR);

	n->a = parse_target(p);
	if (!accept_word(p, "in"))
		unexpected(p, "'in'");
	n->b = parse_tuple(p, parse_or);
	if (accept_word(p, "if"))
		n->c = parse_expression(p);
	if (is_word(p, "recursive"))
		heap_fail(p->h, "recursive loops are not supported");
	tag_end(p);
	p->loops++;
	node_push(p, n, parse_body(p, ends));
	p->loops--;
	if (accept_word(p, "else")) {
		tag_end(p);
		node_push(p, n, body_until(p, "endfor"));
	} else {
		take(p);
	}
	return n;
}

static struct node *tag_set(struct parser *p)
{
	struct node *n = node_new(p, N_SET);

	n->a = parse_target(p);
	if (accept_op(p, "=")) {
		n->b = parse_tuple(p, parse_expression);
		return n;
	}
	n->kind = N_SET_BLOCK;
	n->c = parse_filters(p, NULL);
	tag_end(p);
	n->b = body_until(p, "endset");
	return n;
}

static void parameters(struct parser *p, struct node *macro)
{
	expect_op(p, "(");
	while (!is_op(p, ")")) {
		node_name(p, macro, expect_name(p));
		if (accept_op(p, "="))
			node_push(p, macro, parse_expression(p));
		else if (macro->n)
			heap_fail(p->h, "a parameter without a default after one with a default");
		if (!accept_op(p, ","))
			break;
	}
	expect_op(p, ")");
}

static void macro_body(struct parser *p, struct node *macro, const char *end)
{
	unsigned uses = p->uses, loops = p->loops;

	tag_end(p);
	p->uses = p->loops = 0;
	macro->b = body_until(p, end);
	macro->uses = p->uses;
	p->uses = uses;
	p->loops = loops;
}

static struct node *tag_macro(struct parser *p)
{
	struct node *n = node_new(p, N_MACRO);

	n->name = expect_name(p);
	parameters(p, n);
	macro_body(p, n, "endmacro");
	return n;
}

static struct node *tag_call(struct parser *p)
{
	struct node *n = node_new(p, N_CALL_BLOCK), *caller = node_new(p, N_MACRO);

	caller->name = "caller";
	if (is_op(p, "("))
		parameters(p, caller);
	n->a = parse_expression(p);
	if (n->a->kind != N_CALL)
		heap_fail(p->h, "a call tag needs a call");
	macro_body(p, caller, "endcall");
	n->b = caller;
	return n;
}

static void context_words(struct parser *p, struct node *n, bool by_default)
{
	n->flag2 = by_default;
	if (is_word(p, "with") || is_word(p, "without")) {
		n->flag2 = accept_word(p, "with") || (take(p), false);
		if (!accept_word(p, "context"))
			unexpected(p, "'context'");
	}
}

static struct node *tag_include(struct parser *p)
{
	struct node *n = node_new(p, N_INCLUDE);

	n->a = parse_expression(p);
	if (accept_word(p, "ignore")) {
		if (!accept_word(p, "missing"))
			unexpected(p, "'missing'");
		n->flag = true;
	}
	context_words(p, n, true);
	return n;
}

static struct node *tag_import(struct parser *p)
{
	struct node *n = node_new(p, N_IMPORT);

	n->a = parse_expression(p);
	if (!accept_word(p, "as"))
		unexpected(p, "'as'");
	n->name = expect_name(p);
	context_words(p, n, false);
	return n;
}

static struct node *tag_from(struct parser *p)
{
	struct node *n = node_new(p, N_FROM);

	n->a = parse_expression(p);
	if (!accept_word(p, "import"))
		unexpected(p, "'import'");
	do {
		const char *name;

		if (peek(p)->kind == T_TAG_END || is_word(p, "with") || is_word(p, "without"))
			break;
		name = expect_name(p);
		node_name(p, n, name);
		node_name(p, n, accept_word(p, "as") ? expect_name(p) : name);
	} while (accept_op(p, ","));
	context_words(p, n, false);
	return n;
}

static struct node *tag_do(struct parser *p)
{
	struct node *n = node_new(p, N_DO);

	n->a = parse_tuple(p, parse_expression);
	return n;
}

static struct node *tag_load(struct parser *p, const char *form)
{
	struct node *n = node_new(p, N_LOAD);

	n->name = form;
	if (!accept_word(p, "as"))
		unexpected(p, "'as'");
	node_name(p, n, expect_name(p));
	tag_end(p);
	n->b = body_until(p, "endload");
	return n;
}

static struct node *tag_import_data(struct parser *p, const char *form)
{
	struct node *n = node_new(p, N_IMPORT_DATA);

	n->name = form;
	n->a = parse_expression(p);
	if (!accept_word(p, "as"))
		unexpected(p, "'as'");
	node_name(p, n, expect_name(p));
	return n;
}

static struct node *tag_filter(struct parser *p)
{
	struct node *n = node_new(p, N_FILTER_BLOCK);

	n->a = parse_filters(p, parse_filter_named(p, NULL));
	tag_end(p);
	n->b = body_until(p, "endfilter");
	return n;
}

static struct node *tag_with(struct parser *p)
{
	struct node *n = node_new(p, N_WITH);

	while (peek(p)->kind != T_TAG_END) {
		node_push(p, n, parse_target(p));
		expect_op(p, "=");
		node_push(p, n, parse_expression(p));
		if (!accept_op(p, ","))
			break;
	}
	tag_end(p);
	n->b = body_until(p, "endwith");
	return n;
}

static struct node *tag_loop_control(struct parser *p, enum node_kind kind)
{
	if (!p->loops)
		heap_fail(p->h, "break and continue stand in a loop");
	return node_new(p, kind);
}

static struct node *parse_tag(struct parser *p, const char *name)
{
	static const struct {
		const char *name;
		struct node *(*parse)(struct parser *p);
	} tags[] = {{"if", tag_if},	    {"for", tag_for},	    {"set", tag_set},	{"macro", tag_macro},
		    {"call", tag_call},	    {"include", tag_include}, {"import", tag_import}, {"from", tag_from},
		    {"do", tag_do},	    {"filter", tag_filter}, {"with", tag_with}};

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		if (!strcmp(name, tags[i].name))
			return tags[i].parse(p);
	if (!strcmp(name, "break") || !strcmp(name, "continue"))
		return tag_loop_control(p, name[0] == 'b' ? N_BREAK : N_CONTINUE);
	if (!strncmp(name, "load_", 5) && (!strcmp(name + 5, "yaml") || !strcmp(name + 5, "json") ||
					   !strcmp(name + 5, "text")))
		return tag_load(p, name + 5);
	if (!strncmp(name, "import_", 7) && (!strcmp(name + 7, "yaml") || !strcmp(name + 7, "json") ||
					     !strcmp(name + 7, "text")))
		return tag_import_data(p, name + 7);
	heap_fail(p->h, "the tag '%s' is not known or has no place here", name);
}

static struct node *parse_print(struct parser *p)
{
	struct node *n = node_new(p, N_PRINT);

	n->a = parse_tuple(p, parse_expression);
	if (peek(p)->kind != T_PRINT_END)
		unexpected(p, "the end of the expression");
	take(p);
	return n;
}

static bool at_end_of_body(struct parser *p, const char *const *ends)
{
	const struct token *word = &p->tokens.v[p->at + 1];

	if (peek(p)->kind != T_TAG || word->kind != T_NAME)
		return false;
	for (; *ends; ends++)
		if (blob_is(word->text, *ends))
			return true;
	return false;
}

/* Stops after the opening of the tag that ends it, whose word is next; `ends` empty: at the end of the text. */
static struct node *parse_body(struct parser *p, const char *const *ends)
{
	struct node *block = node_new(p, N_BLOCK);
	unsigned start = peek(p)->line;

	parse_enter(p);
	while (!at_end_of_body(p, ends)) {
		const struct token *t = take(p);

		if (t->kind == T_DATA) {
			struct node *n = node_new(p, N_DATA);

			n->value = value_blob(p->h, t->text);
			node_push(p, block, n);
		} else if (t->kind == T_PRINT) {
			node_push(p, block, parse_print(p));
		} else if (t->kind == T_TAG) {
			node_push(p, block, parse_tag(p, expect_name(p)));
			tag_end(p);
		} else {
			if (!*ends)
				break;
			p->h->line = start;
			heap_fail(p->h, "a block that begins here lacks its '%s'", ends[0]);
		}
	}
	if (*ends)
		take(p);
	parse_leave(p);
	return block;
}

struct node *jinja_parse(struct heap *h, struct blob text)
{
	struct parser p = {.h = h};

	jinja_tokens(h, text, &p.tokens);
	return parse_body(&p, (const char *const[]){NULL});
}
