/* Which states a requisite names: looked up, so that a run with many states costs in proportion. */
#include <fnmatch.h>

#include "salt-lite/engine/salt.h"

static int by_text(const void *a, const void *b)
{
	const struct index_entry *x = a, *y = b;
	int r = strcmp(x->text, y->text);

	return r ? r : x->chunk->position < y->chunk->position ? -1 : x->chunk->position > y->chunk->position;
}

void requisite_index(struct salt *s)
{
	s->index = heap_alloc(&s->h, (s->n_chunks * 3 + 1) * sizeof(*s->index));
	s->n_index = 0;
	for (size_t i = 0; i < s->n_chunks; i++) {
		struct chunk *c = s->chunks[i];

		s->index[s->n_index++] = (struct index_entry){c->id, false, c};
		if (strcmp(c->id, c->name))
			s->index[s->n_index++] = (struct index_entry){c->name, false, c};
		s->index[s->n_index++] = (struct index_entry){c->sls, true, c};
	}
	qsort(s->index, s->n_index, sizeof(*s->index), by_text);
}

/* The first entry that is not before `text`. */
static size_t lower_bound(const struct salt *s, const char *text)
{
	size_t low = 0, high = s->n_index;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(s->index[middle].text, text) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool named(const struct chunk *c, const char *module, const char *pattern, bool sls)
{
	if (sls)
		return !fnmatch(pattern, c->sls, 0);
	return (!module || !strcmp(module, c->module)) &&
	       (!fnmatch(pattern, c->id, 0) || !fnmatch(pattern, c->name, 0));
}

size_t requisite_targets(struct salt *s, const struct value *item,
			 void (*each)(struct salt *, struct chunk *, void *), void *data)
{
	bool pair = item->kind == V_MAP && item->map.n == 1;
	const char *module = pair ? value_cstr(&s->h, item->map.pairs[0].key) : NULL;
	const char *text = value_cstr(&s->h, pair ? item->map.pairs[0].value : item);
	bool sls = module && !strcmp(module, "sls");
	size_t n = 0;

	if ((item->kind == V_MAP && !pair) || value_is_list(item))
		heap_fail(&s->h, "a requisite must be a text or a mapping with one member, not %s", value_kind_name(item));
	if (module && !strcmp(module, "id"))
		module = NULL;
	if (strpbrk(text, "*?[\\")) {
		for (size_t i = 0; i < s->n_chunks; i++)
			if (named(s->chunks[i], module, text, sls))
				n++, each(s, s->chunks[i], data);
		return n;
	}
	for (size_t i = lower_bound(s, text); i < s->n_index && !strcmp(s->index[i].text, text); i++) {
		const struct index_entry *e = &s->index[i];

		if (e->sls == sls && (sls || !module || !strcmp(module, e->chunk->module)))
			n++, each(s, e->chunk, data);
	}
	return n;
}
