/* Top files: which state files are for whom. top.sls and every enabled _tops/base/NAME.top of each root. */
#include <dirent.h>
#include <fnmatch.h>

#include "salt-lite/engine/salt.h"
#include "salt-lite/value/yaml.h"

static bool in_nodegroup(const struct salt *s, struct blob name)
{
	bool dom0 = !strcmp(s->id, "dom0");

	return blob_eq_str(name, "dom0") ? dom0 : blob_eq_str(name, "vm") && !dom0;
}

static bool glob_matches(struct salt *s, struct blob pattern)
{
	return !fnmatch(arena_strndup(s->h.arena, pattern.p, pattern.n), s->id, 0);
}

/* A grain that is not known here: it is for the qube itself to say, which looks again. */
static bool left_to_qube(const struct salt *s, struct blob grain)
{
	return s->absent && memrchr(grain.p, ':', grain.n) && !blob_has_prefix(grain, "id:");
}

/* "os:Debian" against grains or the pillar; the last part may be a glob. */
static bool value_matches(struct salt *s, const struct value *in, struct blob text)
{
	const char *colon = memrchr(text.p, ':', text.n);
	const struct value *v;
	struct blob pattern;

	if (!colon)
		return false;
	if (in == s->grains && left_to_qube(s, text))
		return true;
	v = value_path(&s->h, in, (struct blob){text.p, (size_t)(colon - text.p)}, ':');
	pattern = (struct blob){colon + 1, text.n - (size_t)(colon + 1 - text.p)};
	for (size_t i = 0; v && value_is_list(v) && i < v->list.n; i++)
		if (!fnmatch(arena_strndup(s->h.arena, pattern.p, pattern.n), value_cstr(&s->h, v->list.items[i]), 0))
			return true;
	return v && !value_is_list(v) &&
	       !fnmatch(arena_strndup(s->h.arena, pattern.p, pattern.n), value_cstr(&s->h, v), 0);
}

static bool list_matches(const struct salt *s, struct blob list)
{
	struct blob name;

	while (blob_token(&list, ',', &name))
		if (blob_eq_str(blob_trim(name), s->id))
			return true;
	return false;
}

static bool word_matches(struct salt *s, struct blob word)
{
	struct blob rest = {word.p + 2, word.n - 2};

	if (word.n < 2 || word.p[1] != '@')
		return glob_matches(s, word);
	switch (word.p[0]) {
	case 'G':
		return value_matches(s, s->grains, rest);
	case 'I':
		return value_matches(s, s->pillar, rest);
	case 'L':
		return list_matches(s, rest);
	case 'N':
		return in_nodegroup(s, rest);
	default:
		heap_fail(&s->h, "the matcher %c@ is not supported", word.p[0]);
	}
}

/* Words with and, or, not between them; `and` binds more than `or`. */
static bool compound_matches(struct salt *s, struct blob text)
{
	bool any = false, all = true, negate = false;
	struct blob word;

	while (blob_word(&text, &word)) {
		if (blob_eq_str(word, "not")) {
			negate = !negate;
		} else if (blob_eq_str(word, "or")) {
			any |= all;
			all = true;
		} else if (!blob_eq_str(word, "and")) {
			/* Not known, its opposite is not known either. */
			bool open = blob_has_prefix(word, "G@") && left_to_qube(s, (struct blob){word.p + 2, word.n - 2});

			if (memchr(word.p, '(', word.n) || memchr(word.p, ')', word.n))
				heap_fail(&s->h, "parentheses in a target are not supported");
			all &= open || word_matches(s, word) != negate;
			negate = false;
		}
	}
	return any || all;
}

static bool target_matches(struct salt *s, struct blob target, const char *how)
{
	if (!strcmp(how, "glob"))
		return glob_matches(s, target);
	if (!strcmp(how, "nodegroup"))
		return in_nodegroup(s, target);
	if (!strcmp(how, "list"))
		return list_matches(s, target);
	if (!strcmp(how, "compound"))
		return compound_matches(s, target);
	if (!strcmp(how, "grain"))
		return value_matches(s, s->grains, target);
	if (!strcmp(how, "pillar"))
		return value_matches(s, s->pillar, target);
	heap_fail(&s->h, "'match: %s' is not supported", how);
}

static void add_names(struct salt *s, const struct value *list, struct strv *sls)
{
	for (size_t i = 0; i < list->list.n; i++) {
		const struct value *v = list->list.items[i];

		if (v->kind == V_MAP)
			continue;
		if (!strv_contains(sls, value_cstr(&s->h, v)))
			strv_push(sls, value_cstr(&s->h, v));
	}
}

static const char *match_kind(struct salt *s, const struct value *list)
{
	for (size_t i = 0; i < list->list.n; i++) {
		const struct value *how = map_get_str(list->list.items[i], "match");

		if (how)
			return value_cstr(&s->h, how);
	}
	return "glob";
}

static void top_file(struct salt *s, const char *path, struct blob text, struct strv *sls)
{
	const struct value *doc = yaml_parse(&s->h, path, salt_template(s, path, NULL, text, NULL)), *base;

	s->h.file = path;
	s->h.line = 0;
	if (doc->kind == V_NONE)
		return;
	base = map_get_str(doc, "base");
	if (doc->kind != V_MAP || (base && base->kind != V_MAP))
		heap_fail(&s->h, "a top file is a mapping of environments to targets");
	for (size_t i = 0; base && i < base->map.n; i++) {
		const struct value *list = base->map.pairs[i].value;

		if (!value_is_list(list))
			heap_fail(&s->h, "the target '%s' needs a list", value_cstr(&s->h, base->map.pairs[i].key));
		if (target_matches(s, value_text(&s->h, base->map.pairs[i].key), match_kind(s, list)))
			add_names(s, list, sls);
	}
}

static void enabled_tops(struct salt *s, const char *root, struct strv *sls)
{
	struct dirent **names = NULL;
	const char *dir = arena_printf(s->h.arena, "%s/_tops/base", root);
	int n = scandir(dir, &names, NULL, alphasort);
	struct value *list = list_new(&s->h);

	for (int i = 0; i < n; i++) {
		if (names[i]->d_name[0] != '.')
			list_push(&s->h, list, value_string(&s->h, names[i]->d_name));
		free(names[i]);
	}
	free(names);
	for (size_t i = 0; i < list->list.n; i++) {
		const char *path;
		struct blob text;

		if (salt_read(s, arena_printf(s->h.arena, "_tops/base/%.*s", BLOB_ARG(list->list.items[i]->s)), &text,
			      &path))
			top_file(s, path, text, sls);
	}
}

void top_matches(struct salt *s, const struct strv *roots, struct strv *sls)
{
	const char *path;
	struct blob text;

	s->roots = roots;
	if (salt_read(s, "top.sls", &text, &path))
		top_file(s, path, text, sls);
	for (size_t i = 0; i < roots->n; i++)
		enabled_tops(s, roots->v[i], sls);
	s->roots = &s->file_roots;
}

/* As Salt's "smart" merging: mappings member by member, everything else is replaced. */
static void merge_deep(struct salt *s, struct value *into, const struct value *more)
{
	for (size_t i = 0; i < more->map.n; i++) {
		const struct pair *p = &more->map.pairs[i];
		const struct value *old = map_get(into, p->key);

		if (old && old->kind == V_MAP && p->value->kind == V_MAP) {
			struct value *both = map_copy(&s->h, old);

			merge_deep(s, both, p->value);
			map_set(&s->h, into, p->key, both);
		} else {
			map_set(&s->h, into, p->key, p->value);
		}
	}
}

void salt_pillar_add(struct salt *s, const struct value *more)
{
	if (more->kind != V_MAP)
		heap_fail(&s->h, "a pillar is a mapping, not %s", value_kind_name(more));
	merge_deep(s, (struct value *)(uintptr_t)s->pillar, more);
}

void salt_load_pillar(struct salt *s)
{
	_cleanup_strv_ struct strv names = {0};
	struct value *pillar = (struct value *)(uintptr_t)s->pillar;

	top_matches(s, &s->pillar_roots, &names);
	s->roots = &s->pillar_roots;
	for (size_t i = 0; i < names.n; i++) {
		const char *path;
		struct blob text;
		const struct value *doc;

		if (!salt_read_sls(s, names.v[i], &text, &path))
			heap_fail(&s->h, "the pillar file '%s' is in none of the pillar roots", names.v[i]);
		doc = yaml_parse(&s->h, path, salt_template(s, path, names.v[i], text, NULL));
		if (doc->kind == V_MAP)
			merge_deep(s, pillar, doc);
	}
	s->roots = &s->file_roots;
}
