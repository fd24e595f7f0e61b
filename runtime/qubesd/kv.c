#include "runtime/qubesd/kv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"

static struct kv *kv_find(const struct kvlist *l, const char *key)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->v[i].key, key))
			return &l->v[i];
	return NULL;
}

const char *kv_get(const struct kvlist *l, const char *key)
{
	struct kv *e = kv_find(l, key);

	return e ? e->value : NULL;
}

void kv_set(struct kvlist *l, const char *key, const char *value)
{
	struct kv *e = kv_find(l, key);
	char *copy = xstrdup(value);

	if (e) {
		free(e->value);
		e->value = copy;
		return;
	}
	l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = (struct kv){xstrdup(key), copy};
}

int kv_del(struct kvlist *l, const char *key)
{
	struct kv *e = kv_find(l, key);

	if (!e)
		return -ENOENT;
	free(e->key);
	free(e->value);
	l->n--;
	memmove(e, e + 1, (size_t)(l->v + l->n - e) * sizeof(*e));
	return 0;
}

void kv_free(struct kvlist *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].key);
		free(l->v[i].value);
	}
	free(l->v);
	*l = (struct kvlist){0};
}
