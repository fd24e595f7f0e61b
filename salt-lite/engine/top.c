/* Top files: which state files are for whom. top.sls and every enabled _tops/ENVIRONMENT/NAME.top of each root. */
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

static void add_targets(struct salt *s, const struct value *targets, struct strv *sls)
{
	for (size_t i = 0; i < targets->map.n; i++) {
		const struct value *key = targets->map.pairs[i].key, *list = targets->map.pairs[i].value;

		if (!value_is_list(list))
			heap_fail(&s->h, "the target '%s' needs a list", value_cstr(&s->h, key));
		if (target_matches(s, value_text(&s->h, key), match_kind(s, list)))
			add_names(s, list, sls);
	}
}

static void top_file(struct salt *s, const char *path, struct blob text, const char *only, struct top_names *names)
{
	const struct value *doc = yaml_parse(&s->h, path, salt_template(s, path, NULL, text, NULL));

	s->h.file = path;
	s->h.line = 0;
	if (doc->kind == V_NONE)
		return;
	if (doc->kind != V_MAP)
		heap_fail(&s->h, "a top file is a mapping of environments to targets");
	for (size_t i = 0; i < doc->map.n; i++) {
		const char *name = value_cstr(&s->h, doc->map.pairs[i].key);
		enum environment e = environment_find(blob_of(name));

		if (e == ENVIRONMENTS)
			heap_fail(&s->h, "the environment '%s' is neither base nor user", name);
		if (doc->map.pairs[i].value->kind != V_MAP)
			heap_fail(&s->h, "a top file is a mapping of environments to targets");
		if (!only || !strcmp(only, name))
			add_targets(s, doc->map.pairs[i].value, &names->v[e]);
	}
}

static void enabled_tops(struct salt *s, const char *root, const char *environment, const char *only,
			 struct top_names *found)
{
	const char *folder = arena_printf(s->h.arena, "_tops/%s", environment);
	struct dirent **names = NULL;
	int n = scandir(arena_printf(s->h.arena, "%s/%s", root, folder), &names, NULL, alphasort);
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

		if (salt_read(s, arena_printf(s->h.arena, "%s/%.*s", folder, BLOB_ARG(list->list.items[i]->s)), &text,
			      &path))
			top_file(s, path, text, only, found);
	}
}

void top_matches(struct salt *s, const struct strv roots[ENVIRONMENTS], const char *only, struct top_names *names)
{
	const char *path, *first = "";
	struct blob text;

	for (enum environment e = ENV_BASE; e < ENVIRONMENTS; e++) {
		environment_enter(s, roots, e);
		/* Both find the same one, unless the user has one of their own. */
		if (salt_read(s, "top.sls", &text, &path) && strcmp(path, first)) {
			first = path;
			top_file(s, path, text, only, names);
		}
		for (size_t i = 0; i < roots[e].n; i++)
			enabled_tops(s, roots[e].v[i], environment_names[e], only, names);
	}
	environment_leave(s);
}

void top_names_free(struct top_names *names)
{
	for (enum environment e = ENV_BASE; e < ENVIRONMENTS; e++)
		strv_free(&names->v[e]);
}

void salt_pillar_add(struct salt *s, const struct value *more)
{
	if (more->kind != V_MAP)
		heap_fail(&s->h, "a pillar is a mapping, not %s", value_kind_name(more));
	/* As Salt's "smart" merging. */
	map_merge(&s->h, (struct value *)(uintptr_t)s->pillar, more);
}

/* What it includes, unless that is in `seen` already, then what it says itself: that counts. */
static void pillar_file(struct salt *s, const char *name, struct value *seen)
{
	const struct value *doc, *includes;
	struct value *own;
	const char *path;
	struct blob text;

	if (!salt_read_sls(s, name, &text, &path))
		heap_fail(&s->h, "the pillar file '%s' is in none of the pillar roots", name);
	map_set_str(&s->h, seen, name, value_bool(true));
	doc = salt_document(s, "a pillar file", name, path, text);
	if (!doc)
		return;
	includes = salt_includes(s, name, path, doc);
	for (size_t i = 0; i < includes->list.n; i++) {
		if (!map_get(seen, includes->list.items[i]))
			pillar_file(s, value_cstr(&s->h, includes->list.items[i]), seen);
		s->h.file = path;
	}
	own = map_copy(&s->h, doc);
	map_remove(own, value_string(&s->h, "include"));
	salt_pillar_add(s, own);
}

void salt_load_pillar(struct salt *s)
{
	_cleanup_(top_names_free) struct top_names names = {0};

	top_matches(s, s->pillar_roots, s->pillarenv, &names);
	for (enum environment e = ENV_BASE; e < ENVIRONMENTS; e++) {
		struct value *seen = map_new(&s->h);

		environment_enter(s, s->pillar_roots, e);
		for (size_t i = 0; i < names.v[e].n; i++)
			pillar_file(s, names.v[e].v[i], seen);
	}
	environment_leave(s);
}
