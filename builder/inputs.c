#include "builder/inputs.h"

#include <string.h>

#include "common/base/alloc.h"
#include "common/base/strbuf.h"
#include "common/base/strmap.h"
#include "common/sys/hash.h"

enum { SHOWN = 3 };

/* How the lines of a word are told apart, and what they are called. */
static const struct word {
	const char *name, *label;
	enum { ONE, NAMED, SET } shape; /* one value; a name, then the value; only members */
} words[] = {
	{"package", "package", NAMED}, {"local", "our package", NAMED}, {"step", "step", NAMED},
	{"file", "file", NAMED},       {"suite", "suite", SET},		{"component", "component", SET},
	{"result", "result", NAMED},
	{"arg", "argument", SET},      {"module", "module", SET},	{"base", "the builder's base", ONE},
	{"root", "the builder's root", ONE}, {"folder", "the builder's folder or the definition's", ONE},
	{"output", "the builder's writer", ONE},
};

/* A line of such a text. */
struct line {
	struct blob word, name, value;
	const struct word *known; /* NULL: an input of its own */
};

struct text {
	struct blob rest;
};

static const struct word *find_word(struct blob name)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (blob_eq_str(name, words[i].name))
			return &words[i];
	return NULL;
}

static struct blob cut(struct blob *rest)
{
	struct blob word = {0};

	blob_token(rest, ' ', &word);
	return word;
}

/* "NAME 12 bytes": the value follows, with its line breaks. */
static void take_long_value(struct text *t, struct line *l)
{
	struct blob rest = l->value, number = cut(&rest);
	uint64_t n;

	if (!blob_eq_str(rest, "bytes") || !blob_to_u64(number, t->rest.n, &n))
		return;
	l->value = (struct blob){t->rest.p, (size_t)n};
	t->rest.p += n;
	t->rest.n -= (size_t)n;
	if (t->rest.n && *t->rest.p == '\n') {
		t->rest.p++;
		t->rest.n--;
	}
}

static bool next_line(struct text *t, struct line *l)
{
	struct blob rest;

	if (!blob_token(&t->rest, '\n', &rest))
		return false;
	*l = (struct line){.word = cut(&rest)};
	l->known = find_word(l->word);
	if (l->known && l->known->shape == NAMED)
		l->name = cut(&rest);
	else if (l->known && l->known->shape == SET)
		l->name = rest, rest.n = 0;
	l->value = rest;
	take_long_value(t, l);
	return true;
}

static char *key_of(const struct line *l)
{
	return xasprintf("%.*s %.*s", BLOB_ARG(l->word), BLOB_ARG(l->name));
}

static char *subject_of(const struct line *l)
{
	const char *label = l->known ? l->known->label : NULL;

	if (!label)
		return blob_dup(l->word);
	if (l->known->shape == ONE)
		return xstrdup(label);
	return xasprintf("%s %.*s", label, BLOB_ARG(l->name));
}

/* A version, a number, a label; a digest tells people nothing. */
static struct blob telling(struct blob value)
{
	struct blob rest = value, first = cut(&rest);

	return !first.n || first.n > 60 || sha256_is_hex(first) || memchr(first.p, '\n', first.n) ? (struct blob){0} : first;
}

static char *changed(const struct line *now, struct blob before)
{
	_cleanup_free_ char *subject = subject_of(now);
	struct blob to = telling(now->value), from = telling(before);

	if (!to.n || !from.n)
		return xasprintf("%s changed", subject);
	if (blob_eq(to, from))
		return xasprintf("%s has other bytes", subject);
	return xasprintf("%s %.*s -> %.*s", subject, BLOB_ARG(from), BLOB_ARG(to));
}

struct side {
	struct strmap map; /* key_of() -> struct line */
	struct line *lines;
	size_t n;
};

static void read_side(struct side *s, struct blob text)
{
	struct text t = {text};
	struct line l;
	size_t lines = 1;

	for (size_t i = 0; i < text.n; i++)
		lines += text.p[i] == '\n';
	s->lines = xcalloc(lines, sizeof(*s->lines));
	while (next_line(&t, &l)) {
		_cleanup_free_ char *key = key_of(&l);

		s->lines[s->n] = l;
		strmap_put(&s->map, key, &s->lines[s->n++]);
	}
}

static void free_side(struct side *s)
{
	strmap_free(&s->map);
	free(s->lines);
}

static void compare_line(const struct line *l, const struct side *other, const char *alone, struct strv *sentences)
{
	_cleanup_free_ char *key = key_of(l);
	const struct line *there = strmap_get(&other->map, key);

	if (!there) {
		_cleanup_free_ char *subject = subject_of(l);

		strv_pushf(sentences, "%s is %s", subject, alone);
	} else if (!strcmp(alone, "new") && !blob_eq(there->value, l->value)) {
		strv_push_take(sentences, changed(l, there->value));
	}
}

void inputs_differences(struct blob before, struct blob now, struct strv *sentences)
{
	_cleanup_(free_side) struct side old = {0}, new = {0};

	read_side(&old, before);
	read_side(&new, now);
	for (size_t i = 0; i < new.n; i++)
		compare_line(&new.lines[i], &old, "new", sentences);
	for (size_t i = 0; i < old.n; i++)
		compare_line(&old.lines[i], &new, "gone", sentences);
}

char *inputs_summary(const struct strv *sentences)
{
	struct strbuf text = {0};

	for (size_t i = 0; i < sentences->n && i < SHOWN; i++)
		strbuf_printf(&text, "%s%s", i ? ", " : "", sentences->v[i]);
	if (sentences->n > SHOWN)
		strbuf_printf(&text, " and %zu more", sentences->n - SHOWN);
	return strbuf_steal(&text);
}
