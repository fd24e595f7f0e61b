/* Which qubes qvm-ls shows: see ls.h. */
#include <string.h>

#include "common/base/alloc.h"
#include "runtime/qvm/ls.h"

/* '' and "" stand for nothing where a list of options needs a word for it. */
static struct blob unquoted(struct blob word)
{
	word = blob_trim(word);
	return blob_eq_str(word, "''") || blob_eq_str(word, "\"\"") ? (struct blob){word.p, 0} : word;
}

/* Is it one of the words, or of their WORD,WORD...? */
static bool in_words(const struct strv *words, struct blob text)
{
	for (size_t i = 0; i < words->n; i++) {
		struct blob rest = blob_of(words->v[i]), one;

		if (!rest.n && !text.n)
			return true;
		while (blob_token(&rest, ',', &one))
			if (blob_eq(unquoted(one), text))
				return true;
	}
	return false;
}

static bool wanted_by_list(const struct ls_row *row, const void *user)
{
	const struct ls_filter *f = user;
	const char *state = row->vm->state;

	if (strv_contains(&f->excluded, row->vm->name) ||
	    (f->classes.n && !in_words(&f->classes, blob_of(row->vm->class))))
		return false;
	return !(f->running || f->paused || f->halted) || (f->running && !strcmp(state, "Running")) ||
	       (f->paused && !strcmp(state, "Paused")) || (f->halted && !strcmp(state, "Halted"));
}

static bool has_tag_of(const struct ls_row *row, const struct strv *words)
{
	const struct strbuf *tags = ls_answer(row, LS_TAGS, NULL);
	struct blob rest = tags ? strbuf_blob(tags) : (struct blob){0}, tag;

	while (blob_token(&rest, '\n', &tag))
		if (in_words(words, tag))
			return true;
	return false;
}

static bool wanted_by_tags(const struct ls_row *row, const void *user)
{
	const struct ls_filter *f = user;

	return (!f->tags.n || has_tag_of(row, &f->tags)) &&
	       (!f->without_tags.n || !has_tag_of(row, &f->without_tags));
}

/* Of NAME=VALUE, which ls_filter_check() has cut in two. */
static struct blob value_of(const char *name)
{
	return unquoted(blob_of(name + strlen(name) + 1));
}

static bool wanted_by_properties(const struct ls_row *row, const void *user)
{
	const struct ls_filter *f = user;

	if ((f->labels.n && !in_words(&f->labels, ls_property(row, "label"))) ||
	    (f->templates.n && !in_words(&f->templates, ls_property(row, "template"))) ||
	    (f->netvms.n && !in_words(&f->netvms, ls_property(row, "netvm"))))
		return false;
	for (size_t i = 0; i < f->properties.n; i++)
		if (!blob_eq(value_of(f->properties.v[i]), ls_property(row, f->properties.v[i])))
			return false;
	return true;
}

static struct blob feature(const struct ls_row *row, const char *name)
{
	const struct strbuf *value = ls_answer(row, LS_FEATURE, name);

	return value ? strbuf_blob(value) : (struct blob){0};
}

/* A feature that is not set is as an empty one. */
static bool wanted_by_features(const struct ls_row *row, const void *user)
{
	const struct ls_filter *f = user;

	for (size_t i = 0; i < f->features.n; i++)
		if (!blob_eq(value_of(f->features.v[i]), feature(row, f->features.v[i])))
			return false;
	return true;
}

static bool is_set(const char *yes_or_no, struct blob value)
{
	return !yes_or_no || (value.n > 0) == (*yes_or_no == 'y');
}

static bool wanted_by_kind(const struct ls_row *row, const void *user)
{
	const struct ls_filter *f = user;

	return is_set(f->internal, feature(row, "internal")) && is_set(f->servicevm, feature(row, "servicevm")) &&
	       (!f->pending_update || (feature(row, "updates-available").n &&
				       blob_eq_str(ls_property(row, "updateable"), "True")));
}

static bool cut_settings(struct strv *settings)
{
	for (size_t i = 0; i < settings->n; i++) {
		char *equals = strchr(settings->v[i], '=');

		if (!equals || equals == settings->v[i])
			return false;
		*equals = 0;
	}
	return true;
}

static bool is_yes_or_no(const char *text)
{
	return !text || qvm_word(text, "y", "yes", NULL) || qvm_word(text, "n", "no", NULL);
}

const char *ls_filter_check(struct ls_filter *f)
{
	if (!is_yes_or_no(f->internal) || !is_yes_or_no(f->servicevm))
		return "--internal and --servicevm take yes or no";
	if (!cut_settings(&f->features) || !cut_settings(&f->properties))
		return "--features and --prefs take NAME=VALUE";
	return NULL;
}

static bool is_named(const struct ls_row *row, const void *user)
{
	const struct strv *names = user;
	_cleanup_free_ char *uuid = xasprintf("uuid:%s", row->vm->uuid);

	return !names->n || strv_contains(names, row->vm->name) || strv_contains(names, uuid);
}

void ls_choose(const struct ls_filter *f, const struct qvm_list *list, const struct strv *names, struct ls_rows *rows)
{
	rows->v = xcalloc(list->n + 1, sizeof(*rows->v));
	for (size_t i = 0; i < list->n; i++)
		rows->v[rows->n++].vm = &list->v[i];
	ls_keep(rows, is_named, names);
	ls_keep(rows, wanted_by_list, f);
	if (f->labels.n || f->templates.n || f->netvms.n || f->properties.n || f->pending_update)
		ls_ask(rows, LS_PROPERTIES, NULL);
	ls_keep(rows, wanted_by_properties, f);
	if (f->tags.n || f->without_tags.n)
		ls_ask(rows, LS_TAGS, NULL);
	ls_keep(rows, wanted_by_tags, f);
	if (f->internal)
		ls_ask(rows, LS_FEATURE, "internal");
	if (f->servicevm)
		ls_ask(rows, LS_FEATURE, "servicevm");
	if (f->pending_update)
		ls_ask(rows, LS_FEATURE, "updates-available");
	ls_keep(rows, wanted_by_kind, f);
	for (size_t i = 0; i < f->features.n; i++)
		ls_ask(rows, LS_FEATURE, f->features.v[i]);
	ls_keep(rows, wanted_by_features, f);
}
