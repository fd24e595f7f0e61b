/* The order of qvm-ls's rows: see ls.h. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "runtime/qvm/ls.h"

struct key {
	struct ls_row row;
	char *text;
	size_t at;
	bool ignore_case;
};

static int by_text(const struct key *a, const struct key *b)
{
	const char *x = a->text ? a->text : "", *y = b->text ? b->text : "";
	uint64_t m, n;

	if (blob_to_u64(blob_of(x), UINT64_MAX, &m) && blob_to_u64(blob_of(y), UINT64_MAX, &n))
		return m < n ? -1 : m > n;
	return a->ignore_case ? strcasecmp(x, y) : strcmp(x, y);
}

/* Equal ones stay as they were. */
static int by_key(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	int order = by_text(x, y);

	return order ? order : x->at < y->at ? -1 : x->at > y->at;
}

void ls_sort(struct ls_rows *rows, const char *column, bool ignore_case, bool reverse)
{
	_cleanup_free_ struct key *keys = xcalloc(rows->n + 1, sizeof(*keys));

	for (size_t i = 0; i < rows->n; i++)
		keys[i] = (struct key){rows->v[i], ls_cell(&rows->v[i], column), i, ignore_case};
	qsort(keys, rows->n, sizeof(*keys), by_key);
	for (size_t i = 0; i < rows->n; i++) {
		rows->v[reverse ? rows->n - 1 - i : i] = keys[i].row;
		free(keys[i].text);
	}
}

static struct ls_row *netvm_of(const struct ls_rows *rows, const struct ls_row *row)
{
	struct blob netvm = ls_property(row, "netvm");

	for (size_t i = 0; netvm.n && i < rows->n; i++)
		if (&rows->v[i] != row && blob_eq_str(netvm, rows->v[i].vm->name))
			return &rows->v[i];
	return NULL;
}

struct tree {
	const struct ls_rows *from;
	struct ls_row *const *netvms;
	bool *placed;
	struct ls_row *to;
	size_t n;
};

/* The qube and then what hangs from it; `placed` ends a circle, which qubesd has refused before. */
static void place(struct tree *t, size_t at, size_t depth)
{
	if (t->placed[at])
		return;
	t->placed[at] = true;
	t->to[t->n] = t->from->v[at];
	t->to[t->n++].depth = depth;
	for (size_t i = 0; i < t->from->n; i++)
		if (t->netvms[i] == &t->from->v[at])
			place(t, i, depth + 1);
}

void ls_tree(struct ls_rows *rows)
{
	_cleanup_free_ struct ls_row **netvms = xcalloc(rows->n + 1, sizeof(struct ls_row *));
	_cleanup_free_ bool *placed = xcalloc(rows->n + 1, sizeof(bool));
	struct tree t = {rows, netvms, placed, xcalloc(rows->n + 1, sizeof(struct ls_row)), 0};

	for (size_t i = 0; i < rows->n; i++)
		netvms[i] = netvm_of(rows, &rows->v[i]);
	for (size_t i = 0; i < rows->n; i++)
		if (!netvms[i])
			place(&t, i, 0);
	for (size_t i = 0; i < rows->n; i++)
		place(&t, i, 0);
	free(rows->v);
	rows->v = t.to;
}
