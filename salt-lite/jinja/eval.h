/* The evaluator's inside: shared by its halves, the filters, the tests and the methods. */
#pragma once

#include "salt-lite/jinja/ast.h"
#include "salt-lite/jinja/jinja.h"

struct scope {
	const struct scope *up;
	struct value *vars;
};

/* One template, or one body of it, that runs. */
struct run {
	struct jinja *j;
	struct heap *h;
	struct scope *scope;
	struct scope *root; /* of the template: what others import from it */
	const char *path;
	struct text *out;
};

const struct value *eval(struct run *r, const struct node *n);
const struct value *eval_call(struct heap *h, const struct value *function, const struct call *call);
/* Counts against the bound of all loops and calls. */
void eval_step(struct jinja *j);
/* The members that a for loop or a filter walks over, as a list; a mapping gives its keys, a text its characters. */
const struct value *eval_items(struct heap *h, const struct value *v);
/* What v.name is; undefined when nothing. */
const struct value *eval_attribute(struct heap *h, const struct value *v, const char *name);
const struct value *eval_item(struct heap *h, const struct value *v, const struct value *key);
const struct value *eval_binary(struct heap *h, const char *op, const struct value *a, const struct value *b);
bool eval_contains(struct heap *h, const struct value *in, const struct value *v);
/* len(). */
size_t eval_length(struct heap *h, const struct value *v);

/* `v | name(call)` and `v is name(call)`: call->args[0] is v. */
const struct value *filter_apply(struct heap *h, const char *name, const struct call *call);
bool test_apply(struct heap *h, const char *name, const struct call *call);
/* The bound method v.name, or NULL. */
const struct value *method_find(struct heap *h, const struct value *v, const char *name);
const struct value *global_find(struct heap *h, const char *name);
/* "%s and %d" % values, as Python does. */
const struct value *format_percent(struct heap *h, struct blob format, const struct value *values);
/* "{} and {0} and {x}".format(call). */
const struct value *format_braces(struct heap *h, struct blob format, const struct call *call);

/* Argument i of a call by position or by name, or NULL. */
const struct value *call_arg(const struct call *c, size_t i, const char *name);
struct blob call_text(struct heap *h, const struct call *c, size_t i, const char *name, const char *otherwise);
int64_t call_int(struct heap *h, const struct call *c, size_t i, const char *name, int64_t otherwise);
bool call_bool(const struct call *c, size_t i, const char *name, bool otherwise);
/*
 * Fails if the call has other arguments than those: words separated by blanks, `places` in their order, which may be
 * given by name as well, and `names`, which may be given by name alone.
 */
void call_check(struct heap *h, const char *function, const struct call *c, const char *places, const char *names);
