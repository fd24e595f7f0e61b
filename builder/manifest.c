#include "builder/manifest.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "builder/plain.h"
#include "common/base/alloc.h"

#define HEADER "bulkhead-manifest 1\n"

enum { LINES_MAX = 4 << 20 };

bool manifest_is(struct blob text)
{
	return blob_has_prefix(text, HEADER);
}

static void format_entry(const struct manifest_entry *e, struct strbuf *text)
{
	strbuf_printf(text, "%c %s %s %s %s%s%s\n", e->kind, e->mode, e->owner, e->content, e->path, *e->more ? " " : "",
		      e->more);
}

void manifest_format(const struct manifest *m, struct strbuf *text)
{
	strbuf_add_str(text, HEADER);
	for (size_t i = 0; i < m->n; i++)
		format_entry(&m->list[i], text);
}

static const char *next_word(struct arena *a, struct blob *rest)
{
	struct blob word = {0};

	blob_token(rest, ' ', &word);
	return arena_strndup(a, word.p ? word.p : "", word.n);
}

static bool parse_line(struct arena *a, struct blob line, struct manifest_entry *e)
{
	if (line.n < 2 || !strchr("dflpcbs", line.p[0]) || line.p[1] != ' ' || !text_is_plain(line))
		return false;
	e->kind = line.p[0];
	line = (struct blob){line.p + 2, line.n - 2};
	e->mode = next_word(a, &line);
	e->owner = next_word(a, &line);
	e->content = next_word(a, &line);
	e->path = next_word(a, &line);
	e->more = next_word(a, &line);
	return *e->mode && *e->owner && *e->content && *e->path == '/' && !line.n;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct manifest_entry *)a)->path, ((const struct manifest_entry *)b)->path);
}

void manifest_sort(struct manifest *m)
{
	if (m->n)
		qsort(m->list, m->n, sizeof(*m->list), by_path);
}

int manifest_parse(struct arena *a, const char *where, struct blob text, struct manifest *m, struct error *err)
{
	size_t lines = 1, number = 1;
	struct blob line;

	*m = (struct manifest){0};
	if (!manifest_is(text))
		return error_set(err, -EBADMSG, where, NULL, "is no manifest");
	for (size_t i = 0; i < text.n; i++)
		lines += text.p[i] == '\n';
	if (lines > LINES_MAX)
		return error_set(err, -E2BIG, where, NULL, "more than %d lines", LINES_MAX);
	m->list = arena_alloc(a, lines * sizeof(*m->list));
	blob_token(&text, '\n', &line);
	while (blob_token(&text, '\n', &line)) {
		number++;
		if (!parse_line(a, line, &m->list[m->n]))
			return error_set(err, -EBADMSG, where, NULL, "line %zu is not of the form of a manifest", number);
		m->n++;
	}
	manifest_sort(m);
	for (size_t i = 1; i < m->n; i++)
		if (!strcmp(m->list[i - 1].path, m->list[i].path))
			return error_set(err, -EBADMSG, where, NULL, "names %s twice", m->list[i].path);
	return 0;
}
