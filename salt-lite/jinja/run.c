/* Statements: what a template does, and how templates use each other. */
#include "salt-lite/jinja/eval.h"
#include "salt-lite/value/yaml.h"

enum { INCLUDE_DEPTH = 50 };
enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE };

static enum flow run_body(struct run *r, const struct node *block);

static struct scope *scope_new(struct heap *h, const struct scope *up)
{
	struct scope *s = heap_alloc(h, sizeof(*s));

	s->up = up;
	s->vars = map_new(h);
	return s;
}

/* To a name, a tuple of names or an attribute of a namespace. */
static void assign(struct run *r, const struct node *target, const struct value *v)
{
	if (target->kind == N_NAME) {
		map_set_str(r->h, r->scope->vars, target->name, v);
		return;
	}
	if (target->kind == N_ATTR) {
		const struct value *space = eval(r, target->a);

		if (space->kind != V_MAP || !space->object)
			heap_fail(r->h, "only a namespace() takes attributes");
		map_set_str(r->h, (struct value *)(uintptr_t)space, target->name, v);
		return;
	}
	v = eval_items(r->h, v);
	if (v->list.n != target->n)
		heap_fail(r->h, "%zu values for %zu names", v->list.n, target->n);
	for (size_t i = 0; i < target->n; i++)
		assign(r, target->list[i], v->list.items[i]);
}

/* What the body prints, in a scope of its own. */
static struct blob capture(struct run *r, const struct node *body, struct scope *scope)
{
	struct run inner = *r;
	struct text out = {0};

	inner.out = &out;
	inner.scope = scope ? scope : scope_new(r->h, r->scope);
	run_body(&inner, body);
	return text_blob(&out);
}

static const struct value *filtered(struct run *r, const struct node *filters, const struct value *v)
{
	struct node base = {.kind = N_CONST, .value = v}, chain[32];
	size_t n = 0;

	for (const struct node *f = filters; f; f = f->a) {
		if (n == 32)
			heap_fail(r->h, "too many filters");
		chain[n++] = *f;
	}
	for (size_t i = n; i-- > 0;) {
		chain[i].a = &base;
		base.value = eval(r, &chain[i]);
	}
	return base.value;
}

/* Macros. */

struct macro {
	const struct node *node;
	struct run run; /* where it was written */
	const struct value *caller;
};

static void bind_parameters(struct run *r, const struct node *m, const struct call *call)
{
	size_t n = m->n_names;

	for (size_t i = 0; i < n; i++) {
		const struct value *v = call_arg(call, i, m->names[i]);

		if (!v && i >= n - m->n)
			v = eval(r, m->list[i - (n - m->n)]);
		map_set_str(r->h, r->scope->vars, m->names[i], v ? v : value_undefined(r->h, m->names[i]));
	}
}

static void bind_rest(struct run *r, const struct macro *m, const struct call *call)
{
	struct value *varargs = list_new(r->h), *kwargs = map_new(r->h);
	const struct value *caller = m->caller ? m->caller : map_get_str(call->named, "caller");

	for (size_t i = m->node->n_names; i < call->n; i++)
		list_push(r->h, varargs, call->args[i]);
	for (size_t i = 0; call->named && i < call->named->map.n; i++) {
		const struct pair *p = &call->named->map.pairs[i];
		bool known = value_is_str(p->key, "caller");

		for (size_t k = 0; k < m->node->n_names; k++)
			known |= value_is_str(p->key, m->node->names[k]);
		if (!known)
			map_set(r->h, kwargs, p->key, p->value);
	}
	if (varargs->list.n && !(m->node->uses & USES_VARARGS))
		heap_fail(r->h, "the macro '%s' takes at most %zu arguments", m->node->name, m->node->n_names);
	if (kwargs->map.n && !(m->node->uses & USES_KWARGS))
		heap_fail(r->h, "the macro '%s' has no parameter '%s'", m->node->name,
			  value_cstr(r->h, kwargs->map.pairs[0].key));
	varargs->kind = V_TUPLE;
	map_set_str(r->h, r->scope->vars, "varargs", varargs);
	map_set_str(r->h, r->scope->vars, "kwargs", kwargs);
	if (caller)
		map_set_str(r->h, r->scope->vars, "caller", caller);
}

static const struct value *call_macro(struct heap *h, const struct value *self, const struct call *call)
{
	const struct macro *m = call->data;
	struct run r = m->run;
	const char *file = h->file;
	unsigned line = h->line;
	const struct value *v;

	(void)self;
	eval_step(r.j);
	r.scope = scope_new(h, m->run.scope);
	h->file = r.path;
	bind_parameters(&r, m->node, call);
	bind_rest(&r, m, call);
	v = value_blob(h, capture(&r, m->node->b, r.scope));
	h->file = file;
	h->line = line;
	return v;
}

static const struct value *macro_new(struct run *r, const struct node *n)
{
	struct macro *m = heap_alloc(r->h, sizeof(*m));

	m->node = n;
	m->run = *r;
	return value_function_new(r->h, n->name, call_macro, NULL, m);
}

static void do_call_block(struct run *r, const struct node *n)
{
	const struct value *caller = macro_new(r, n->b), *v;
	struct node call = *n->a, value = {.kind = N_CONST, .value = caller, .line = n->line};
	struct node *list[64];
	const char *names[64];

	if (call.n + 1 >= 64)
		heap_fail(r->h, "too many arguments");
	if (call.n)
		memcpy(list, call.list, call.n * sizeof(list[0]));
	if (call.n_names)
		memcpy(names, call.names, call.n_names * sizeof(names[0]));
	list[call.n++] = &value;
	names[call.n_names++] = "caller";
	call.list = list;
	call.names = names;
	v = eval(r, &call);
	text_add(r->h, r->out, value_text(r->h, v));
}

/* Loops. */

static const struct value *loop_cycle(struct heap *h, const struct value *self, const struct call *call)
{
	const struct value *index = map_get_str(self, "index0");

	if (!call->n)
		heap_fail(h, "loop.cycle needs values");
	return call->args[(size_t)index->i % call->n];
}

static const struct value *loop_object(struct run *r, const struct value *items, size_t i)
{
	struct value *loop = map_new(r->h);
	size_t n = items->list.n;

	loop->object = true;
	map_set_str(r->h, loop, "index0", value_int(r->h, (int64_t)i));
	map_set_str(r->h, loop, "index", value_int(r->h, (int64_t)i + 1));
	map_set_str(r->h, loop, "revindex", value_int(r->h, (int64_t)(n - i)));
	map_set_str(r->h, loop, "revindex0", value_int(r->h, (int64_t)(n - i - 1)));
	map_set_str(r->h, loop, "first", value_bool(i == 0));
	map_set_str(r->h, loop, "last", value_bool(i + 1 == n));
	map_set_str(r->h, loop, "length", value_int(r->h, (int64_t)n));
	if (i)
		map_set_str(r->h, loop, "previtem", items->list.items[i - 1]);
	if (i + 1 < n)
		map_set_str(r->h, loop, "nextitem", items->list.items[i + 1]);
	map_set_str(r->h, loop, "cycle", value_function_new(r->h, "cycle", loop_cycle, loop, NULL));
	return loop;
}

/* The members that the loop's own condition lets through. */
static const struct value *loop_items(struct run *r, const struct node *n)
{
	const struct value *all = eval_items(r->h, eval(r, n->b));
	struct value *items = list_new(r->h);

	/* A copy: the body may change the list. */
	for (size_t i = 0; i < all->list.n; i++) {
		struct run inner = *r;

		if (n->c) {
			inner.scope = scope_new(r->h, r->scope);
			assign(&inner, n->a, all->list.items[i]);
		}
		if (!n->c || value_true(eval(&inner, n->c)))
			list_push(r->h, items, all->list.items[i]);
	}
	return items;
}

static void do_for(struct run *r, const struct node *n)
{
	const struct value *items = loop_items(r, n);

	for (size_t i = 0; i < items->list.n; i++) {
		struct run inner = *r;

		eval_step(r->j);
		inner.scope = scope_new(r->h, r->scope);
		map_set_str(r->h, inner.scope->vars, "loop", loop_object(r, items, i));
		assign(&inner, n->a, items->list.items[i]);
		if (run_body(&inner, n->list[0]) == FLOW_BREAK)
			break;
	}
	if (!items->list.n && n->n > 1)
		run_body(r, n->list[1]);
}

static enum flow do_if(struct run *r, const struct node *n)
{
	for (size_t i = 0; i + 1 < n->n; i += 2)
		if (value_true(eval(r, n->list[i])))
			return run_body(r, n->list[i + 1]);
	return n->b ? run_body(r, n->b) : FLOW_ON;
}

/* Other files. */

static bool load(struct run *r, const struct value *name, struct blob *text, const char **path)
{
	unsigned deep = 0;

	if (name->kind != V_STRING)
		heap_fail(r->h, "the name of a template is a text, not %s", value_kind_name(name));
	for (const struct heap_frame *f = r->h->frames; f; f = f->up)
		deep++;
	if (deep > INCLUDE_DEPTH)
		heap_fail(r->h, "templates include each other deeper than %d levels", INCLUDE_DEPTH);
	return r->j->load && r->j->load(r->j, value_cstr(r->h, name), r->path, text, path);
}

/* Runs another file; scope: what it sees and sets. */
static void run_file(struct run *r, const char *path, struct blob text, struct scope *scope, struct text *out)
{
	struct heap *h = r->h;
	struct heap_frame frame = {.up = h->frames, .file = r->path, .line = h->line};
	struct run inner = {.j = r->j, .h = h, .scope = scope, .root = scope, .path = path, .out = out};

	h->frames = &frame;
	h->file = path;
	run_body(&inner, jinja_parse(h, text));
	h->file = frame.file;
	h->line = frame.line;
	h->frames = frame.up;
}

static void load_or_fail(struct run *r, const struct value *name, struct blob *text, const char **path)
{
	if (!load(r, name, text, path))
		heap_fail_remedy(r->h, "names begin at the file roots, or with ./ at this file",
				 "the file '%s' is in none of the file roots", value_cstr(r->h, name));
}

static void do_include(struct run *r, const struct node *n)
{
	const struct value *name = eval(r, n->a);
	struct blob text;
	const char *path;

	if (n->flag && !load(r, name, &text, &path))
		return;
	load_or_fail(r, name, &text, &path);
	run_file(r, path, text, scope_new(r->h, n->flag2 ? r->scope : NULL), r->out);
}

static const struct value *module(struct run *r, const struct node *n)
{
	const struct value *name = eval(r, n->a), *known;
	struct blob text;
	const char *path;
	struct text unused = {0};
	struct scope *scope;

	load_or_fail(r, name, &text, &path);
	known = n->flag2 ? NULL : map_get_str(r->j->modules, path);
	if (known)
		return known;
	scope = scope_new(r->h, n->flag2 ? r->scope : NULL);
	run_file(r, path, text, scope, &unused);
	scope->vars->object = true;
	if (!n->flag2)
		map_set_str(r->h, r->j->modules, path, scope->vars);
	return scope->vars;
}

static void do_from(struct run *r, const struct node *n)
{
	const struct value *from = module(r, n);

	for (size_t i = 0; i + 1 < n->n_names; i += 2) {
		const struct value *v = map_get_str(from, n->names[i]);

		map_set_str(r->h, r->scope->vars, n->names[i + 1], v ? v : value_undefined(r->h, n->names[i]));
	}
}

static const struct value *parsed(struct run *r, const char *form, const char *path, struct blob text)
{
	return strcmp(form, "text") ? yaml_parse(r->h, path, text) : value_blob(r->h, text);
}

static void do_import_data(struct run *r, const struct node *n)
{
	const struct value *name = eval(r, n->a), *v;
	struct text out = {0};
	struct blob text;
	const char *path;

	load_or_fail(r, name, &text, &path);
	run_file(r, path, text, scope_new(r->h, NULL), &out);
	v = parsed(r, n->name, path, text_blob(&out));
	map_set_str(r->h, r->scope->vars, n->names[0], v);
}

static void do_with(struct run *r, const struct node *n)
{
	struct run inner = *r;

	inner.scope = scope_new(r->h, r->scope);
	for (size_t i = 0; i + 1 < n->n; i += 2)
		assign(&inner, n->list[i], eval(r, n->list[i + 1]));
	run_body(&inner, n->b);
}

static void do_set_block(struct run *r, const struct node *n)
{
	assign(r, n->a, filtered(r, n->c, value_blob(r->h, capture(r, n->b, NULL))));
}

static enum flow statement(struct run *r, const struct node *n)
{
	const struct value *v;

	switch ((int)n->kind) {
	case N_DATA:
		text_add(r->h, r->out, n->value->s);
		break;
	case N_PRINT:
		v = eval(r, n->a);
		text_add(r->h, r->out, value_text(r->h, v));
		break;
	case N_IF:
		return do_if(r, n);
	case N_FOR:
		do_for(r, n);
		break;
	case N_SET:
		assign(r, n->a, eval(r, n->b));
		break;
	case N_SET_BLOCK:
		do_set_block(r, n);
		break;
	case N_MACRO:
		map_set_str(r->h, r->scope->vars, n->name, macro_new(r, n));
		break;
	case N_CALL_BLOCK:
		do_call_block(r, n);
		break;
	case N_INCLUDE:
		do_include(r, n);
		break;
	case N_IMPORT:
		v = module(r, n);
		map_set_str(r->h, r->scope->vars, n->name, v);
		break;
	case N_FROM:
		do_from(r, n);
		break;
	case N_DO:
		eval(r, n->a);
		break;
	case N_LOAD:
		v = parsed(r, n->name, NULL, capture(r, n->b, NULL));
		map_set_str(r->h, r->scope->vars, n->names[0], v);
		break;
	case N_IMPORT_DATA:
		do_import_data(r, n);
		break;
	case N_FILTER_BLOCK:
		v = filtered(r, n->a, value_blob(r->h, capture(r, n->b, NULL)));
		text_add(r->h, r->out, value_text(r->h, v));
		break;
	case N_WITH:
		do_with(r, n);
		break;
	case N_BREAK:
		return FLOW_BREAK;
	case N_CONTINUE:
		return FLOW_CONTINUE;
	default:
		return run_body(r, n);
	}
	return FLOW_ON;
}

static enum flow run_body(struct run *r, const struct node *block)
{
	enum flow flow = FLOW_ON;

	for (size_t i = 0; i < block->n && flow == FLOW_ON; i++) {
		r->h->line = block->list[i]->line;
		eval_step(r->j);
		flow = statement(r, block->list[i]);
	}
	return flow;
}

struct blob jinja_render(struct jinja *j, const char *path, struct blob text, const struct value *context)
{
	struct heap *h = j->h;
	const char *file = h->file;
	unsigned line = h->line;
	struct text out = {0};
	struct run r = {.j = j, .h = h, .path = path, .out = &out};
	struct scope outer = {.vars = context ? map_copy(h, context) : map_new(h)};

	j->modules = map_new(h);
	j->depth = 0;
	r.scope = r.root = scope_new(h, &outer);
	h->file = path;
	run_body(&r, jinja_parse(h, text));
	h->file = file;
	h->line = line;
	return text_blob(&out);
}
