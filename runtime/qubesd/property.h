/*
 * Properties: one table says for each its type, which classes have it, where its default comes from
 * and what values it takes (ref/runtime.md 7.4). Values are text, as on the wire: `True`/`False`,
 * decimal numbers, names of qubes and labels; an empty vm property means none.
 */
#pragma once

#include "common/base/arena.h"
#include "runtime/qubesd/model.h"

enum property_type {
	PROPERTY_STR,
	PROPERTY_INT,
	PROPERTY_BOOL,
	PROPERTY_VM,
	PROPERTY_LABEL,
};

enum property_access {
	PROPERTY_RW,
	PROPERTY_ONCE,	   /* stored, set at creation only */
	PROPERTY_COMPUTED, /* never stored */
};

/* For whom a value is worked out; vm is NULL for global properties. Results come from the arena. */
struct property_ctx {
	const struct model *m;
	const struct vm *vm;
	struct arena *arena;
};

struct property_def {
	const char *name; /* NULL ends a table */
	enum property_type type;
	enum property_access access;
	unsigned classes; /* of qubes that have it; unused in the global table */
	/*
	 * The default, first hit wins: the template's value, this global property, compute(), the
	 * constant. Without any of them the property may have no value at all.
	 */
	const char *(*first)(const struct property_ctx *ctx); /* before all of these, or NULL */
	bool from_template;
	const char *global;
	const char *(*compute)(const struct property_ctx *ctx);
	const char *constant;
	/* Further limits on a new value beyond its type; NULL, or the reason why it is refused. */
	const char *(*check)(const struct property_ctx *ctx, struct blob value);
	const char *help;
};

extern const struct property_def vm_properties[];
extern const struct property_def global_properties[];

/* The definition if such a qube (vm NULL: the system) has that property, or NULL. */
const struct property_def *property_find(const struct vm *vm, struct blob name);
/* Has a qube of this class the property? */
bool property_applies(const struct property_def *def, const struct vm *vm);
/* The value in force, or NULL when there is none; *is_default (may be NULL) tells whether it was
 * not set. */
const char *property_get(const struct property_ctx *ctx, const struct property_def *def,
			 bool *is_default);
/* Shorthand for names known to exist; "" when there is no value. */
const char *property_value(const struct property_ctx *ctx, const char *name);
/* What property_get() gives when nothing is set; NULL when there is no default. */
const char *property_default(const struct property_ctx *ctx, const struct property_def *def);
/*
 * Checks a new value and gives its canonical text from the arena, or NULL with *why set. Does not
 * store.
 */
const char *property_parse(const struct property_ctx *ctx, const struct property_def *def,
			   struct blob value, const char **why);
/* "True" or "False" for a word that means it, in any case: true, yes, on, 1 and their opposites; else NULL. */
const char *property_bool(struct blob value);
const char *property_type_name(enum property_type type);
