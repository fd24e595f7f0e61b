#include "runtime/qubesd/property.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

static const struct kvlist *stored(const struct property_ctx *ctx)
{
	return ctx->vm ? &ctx->vm->props : &ctx->m->props;
}

const char *property_type_name(enum property_type type)
{
	switch (type) {
	case PROPERTY_STR:
		return "str";
	case PROPERTY_INT:
		return "int";
	case PROPERTY_BOOL:
		return "bool";
	case PROPERTY_VM:
		return "vm";
	case PROPERTY_LABEL:
		return "label";
	}
	abort();
}

bool property_applies(const struct property_def *def, const struct vm *vm)
{
	return !vm || (def->classes & vm->class);
}

const struct property_def *property_find(const struct vm *vm, struct blob name)
{
	for (const struct property_def *d = vm ? vm_properties : global_properties; d->name; d++)
		if (blob_eq_str(name, d->name))
			return property_applies(d, vm) ? d : NULL;
	return NULL;
}

const char *property_default(const struct property_ctx *ctx, const struct property_def *def)
{
	const char *value = def->first && ctx->vm ? def->first(ctx) : NULL;

	if (!value && def->from_template && ctx->vm) {
		struct property_ctx up = *ctx;

		up.vm = vm_template(ctx->m, ctx->vm);
		/* A template has none itself, so this goes one level up and ends. */
		if (up.vm && property_applies(def, up.vm))
			value = property_get(&up, def, NULL);
	}
	if (!value && def->global) {
		struct property_ctx global = {ctx->m, NULL, ctx->arena};

		value = property_get(&global, property_find(NULL, blob_of(def->global)), NULL);
	}
	if (!value && def->compute)
		value = def->compute(ctx);
	return value ? value : def->constant;
}

const char *property_get(const struct property_ctx *ctx, const struct property_def *def,
			 bool *is_default)
{
	const char *value = NULL;

	if (def->access == PROPERTY_RW)
		value = kv_get(stored(ctx), def->name);
	else if (def->access == PROPERTY_ONCE && ctx->vm)
		value = kv_get(&ctx->vm->props, def->name);
	if (is_default)
		*is_default = !value && def->access != PROPERTY_ONCE;
	return value ? value : property_default(ctx, def);
}

const char *property_value(const struct property_ctx *ctx, const char *name)
{
	const struct property_def *def = property_find(ctx->vm, blob_of(name));
	const char *value = def ? property_get(ctx, def, NULL) : NULL;

	return value ? value : "";
}

const char *property_bool(struct blob value)
{
	static const struct {
		const char *word, *means;
	} words[] = {
		{"true", "True"},   {"yes", "True"}, {"on", "True"},   {"1", "True"},
		{"false", "False"}, {"no", "False"}, {"off", "False"}, {"0", "False"},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (value.n == strlen(words[i].word) &&
		    !strncasecmp(value.p, words[i].word, value.n))
			return words[i].means;
	return NULL;
}

static const char *parse_typed(const struct property_ctx *ctx, enum property_type type,
			       struct blob value, const char **why)
{
	const char *text = arena_strndup(ctx->arena, value.p, value.n);
	uint64_t number;

	switch (type) {
	case PROPERTY_STR:
		*why = "has characters other than printable ASCII";
		for (size_t i = 0; i < value.n; i++)
			if (!isprint((unsigned char)value.p[i]))
				return NULL;
		return text;
	case PROPERTY_INT:
		*why = "is not a whole number";
		return blob_to_u64(value, INT32_MAX, &number)
			       ? arena_printf(ctx->arena, "%llu", (unsigned long long)number)
			       : NULL;
	case PROPERTY_BOOL:
		*why = "is neither True nor False";
		return property_bool(value);
	case PROPERTY_VM:
		*why = "names no qube";
		if (!value.n)
			return "";
		return model_find(ctx->m, value) ? model_find(ctx->m, value)->name : NULL;
	case PROPERTY_LABEL:
		*why = "is no label";
		return model_label(ctx->m, text) ? text : NULL;
	}
	abort();
}

const char *property_parse(const struct property_ctx *ctx, const struct property_def *def,
			   struct blob value, const char **why)
{
	const char *text = parse_typed(ctx, def->type, value, why);
	const char *reason;

	if (!text || !def->check)
		return text;
	reason = def->check(ctx, blob_of(text));
	if (reason)
		*why = reason;
	return reason ? NULL : text;
}
