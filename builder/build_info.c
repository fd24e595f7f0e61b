#include "builder/build_info.h"

#include <stdlib.h>
#include <string.h>

#include "builder/inputs.h"
#include "common/base/alloc.h"
#include "common/base/strmap.h"

#define HEADER "bulkhead-build-info 1\n"

static void mark(struct strmap *marked, struct step *s)
{
	if (strmap_put(marked, s->id, s))
		return;
	for (size_t i = 0; i < s->n_deps; i++)
		mark(marked, s->deps[i]);
}

static void add_step(const struct step *s, struct strbuf *text)
{
	struct blob rest = strbuf_blob(&s->inputs), line;

	strbuf_printf(text, "step %s %s\n", s->id, s->key);
	while (blob_token(&rest, '\n', &line))
		strbuf_printf(text, "\t%.*s\n", BLOB_ARG(line));
}

static int by_id(const void *a, const void *b)
{
	return strcmp((*(struct step *const *)a)->id, (*(struct step *const *)b)->id);
}

/* By name: the order of a graph depends on what else was asked for. */
static void add_steps(const struct graph *g, const struct strmap *marked, struct strbuf *text)
{
	_cleanup_free_ struct step **list = xcalloc(g->n_steps + 1, sizeof(struct step *));
	size_t n = 0;

	for (size_t i = 0; i < g->n_steps; i++)
		if (strmap_get(marked, g->steps[i]->id))
			list[n++] = g->steps[i];
	qsort(list, n, sizeof(struct step *), by_id);
	for (size_t i = 0; i < n; i++)
		add_step(list[i], text);
}

void build_info_format(const struct graph *g, const struct build_info *b, struct step *const *goals, size_t n,
		       struct strbuf *text)
{
	_cleanup_strmap_ struct strmap marked = {0};

	for (size_t i = 0; i < n; i++)
		mark(&marked, goals[i]);
	strbuf_printf(text, HEADER "image %s\nversion %s\n", b->image, b->version);
	for (size_t i = 0; i < b->n_results; i++)
		strbuf_printf(text, "result %s %s\n", b->results[i].name, b->results[i].sha256);
	add_steps(g, &marked, text);
}

bool build_info_is(struct blob text)
{
	return blob_has_prefix(text, HEADER);
}

/* Cuts "step ID KEY" and the lines under it off the front, or the lines before the first step (id ""). */
static bool next_section(struct blob *rest, struct blob *id, struct strbuf *body)
{
	struct blob line, word;

	strbuf_reset(body);
	*id = (struct blob){0};
	if (!rest->n)
		return false;
	if (blob_has_prefix(*rest, "step ")) {
		blob_token(rest, '\n', &line);
		blob_token(&line, ' ', &word);
		blob_token(&line, ' ', id);
	}
	while (rest->n && !blob_has_prefix(*rest, "step ")) {
		blob_token(rest, '\n', &line);
		if (line.n && *line.p == '\t')
			line = (struct blob){line.p + 1, line.n - 1};
		strbuf_printf(body, "%.*s\n", BLOB_ARG(line));
	}
	return true;
}

static void find_section(struct blob text, struct blob wanted, struct strbuf *body)
{
	struct blob id;

	while (next_section(&text, &id, body))
		if (blob_eq(id, wanted))
			return;
}

static bool has_section(struct blob text, struct blob wanted)
{
	_cleanup_strbuf_ struct strbuf body = {0};
	struct blob id;

	while (next_section(&text, &id, &body))
		if (blob_eq(id, wanted))
			return true;
	return false;
}

static void compare_section(struct blob id, const struct strbuf *before, const struct strbuf *now,
			    struct strv *sentences)
{
	_cleanup_strv_ struct strv list = {0};

	inputs_differences(strbuf_blob(before), strbuf_blob(now), &list);
	for (size_t i = 0; i < list.n; i++)
		strv_pushf(sentences, "%.*s%s%s", BLOB_ARG(id), id.n ? ": " : "", list.v[i]);
}

void build_info_differences(struct blob before, struct blob now, struct strv *sentences)
{
	_cleanup_strbuf_ struct strbuf body = {0}, other = {0};
	struct blob rest = now, id;

	while (next_section(&rest, &id, &body))
		if (has_section(before, id)) {
			find_section(before, id, &other);
			compare_section(id, &other, &body, sentences);
		} else {
			strv_pushf(sentences, "step %.*s is new", BLOB_ARG(id));
		}
	for (rest = before; next_section(&rest, &id, &body);)
		if (!has_section(now, id))
			strv_pushf(sentences, "step %.*s is gone", BLOB_ARG(id));
}
