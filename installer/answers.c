#include "installer/answers.h"

#include <fcntl.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/yaml.h"
#include "common/sys/file.h"
#include "installer/questions/questions.h"

enum { ANSWERS_MAX = 256 << 10 };

/* "user.name" is `name` in the map `user`; *map becomes NULL when there is no such map. */
static const char *member(const struct yaml_node *root, const char *key, const struct yaml_node **map)
{
	const char *dot = strchr(key, '.');

	*map = root;
	if (!dot)
		return key;
	*map = NULL;
	for (const struct yaml_node *n = root->first; n; n = n->next)
		if (strlen(n->key) == (size_t)(dot - key) && !strncmp(n->key, key, (size_t)(dot - key)))
			*map = n;
	return dot + 1;
}

static int read_list(struct answers *out, const struct question *q, const struct yaml_node *node, struct error *err)
{
	char *why;

	if (node->kind != YAML_LIST)
		return yaml_error(node, err, "'%s' must be a list", q->key);
	if (!node->first)
		question_answer_none(out, q);
	for (const struct yaml_node *n = node->first; n; n = n->next) {
		if (n->kind != YAML_SCALAR)
			return yaml_error(n, err, "'%s' must be a list of words", q->key);
		if (question_answer(out, q, n->text, &why)) {
			int r = yaml_error(n, err, "'%s' %s", n->text, why);

			free(why);
			return r;
		}
	}
	return 0;
}

static int read_one(struct answers *out, const struct question *q, const struct yaml_node *root, struct error *err)
{
	const struct yaml_node *map, *node;
	const char *key = member(root, q->key, &map), *text = NULL;
	_cleanup_free_ char *why = NULL;
	bool yes = false;
	int r;

	node = map && map->kind == YAML_MAP ? yaml_get(map, key) : NULL;
	if (!node)
		return 0;
	if (q->kind == QUESTION_WORDS)
		return read_list(out, q, node, err);
	r = q->kind == QUESTION_YESNO ? yaml_bool(map, key, &yes, err) : yaml_string(map, key, &text, err);
	if (r < 0)
		return r;
	if (q->kind == QUESTION_YESNO)
		text = yes ? "yes" : "no";
	r = question_answer(out, q, text, &why);
	/* The tree's text is in our arena and writable; const only keeps readers from changing it. */
	if (q->kind == QUESTION_SECRET)
		explicit_bzero((char *)(uintptr_t)text, strlen(text));
	if (!strcmp(q->key, "disk.serial") || !strcmp(q->key, "disk.id") || !strcmp(q->key, "disk.rule"))
		out->disk_line = node->line;
	return r ? yaml_error(node, err, "'%s' %s", key, why) : 0;
}

/* The keys of the table at one level: those without a dot and the names before one, or those in one map. */
static int check_keys(const struct yaml_node *root, const char *map, struct error *err)
{
	const struct yaml_node *node = map ? yaml_get(root, map) : root;
	const char *keys[QUESTIONS_MAX + 1] = {NULL};
	_cleanup_arena_ struct arena *a = arena_new();
	size_t n = 0, prefix = map ? strlen(map) + 1 : 0;

	if (!node)
		return 0;
	for (const struct question *q = questions(); q->key; q++) {
		const char *dot = strchr(q->key, '.');

		if (!map)
			keys[n++] = dot ? arena_strndup(a, q->key, (size_t)(dot - q->key)) : q->key;
		else if (dot && (size_t)(dot - q->key) + 1 == prefix && !strncmp(q->key, map, prefix - 1))
			keys[n++] = dot + 1;
	}
	return yaml_check_keys(node, keys, err);
}

static int read_answers(const struct yaml_node *root, struct answers *out, struct error *err)
{
	const struct yaml_node *disk = root->kind == YAML_MAP ? yaml_get(root, "disk") : NULL;
	int r = root->kind == YAML_MAP ? 0 : check_keys(root, NULL, err);

	/* First, so that a mistake elsewhere in the file does not leave secrets behind. */
	for (const struct question *q = questions(); r == 0 && q->key; q++)
		if (q->kind == QUESTION_SECRET)
			r = read_one(out, q, root, err);
	if (r < 0 || (r = check_keys(root, NULL, err)) < 0 || (r = check_keys(root, "disk", err)) < 0 ||
	    (r = check_keys(root, "user", err)) < 0)
		return r;
	if (disk && disk->n != 1)
		return yaml_error(disk, err, "'disk' must be chosen by one of 'serial', 'id' and 'rule'");
	for (const struct question *q = questions(); r == 0 && q->key; q++)
		if (q->kind != QUESTION_SECRET)
			r = read_one(out, q, root, err);
	return r;
}

void answers_new(struct answers *out, const char *name)
{
	*out = (struct answers){.arena = arena_new(), .autostart = true};
	out->file = arena_strdup(out->arena, name);
}

/* libyaml would say "line 1" of any. */
static int check_bytes(const char *path, struct blob text, struct error *err)
{
	const char *nul = memchr(text.p, '\0', text.n);
	_cleanup_free_ char *object = NULL;
	size_t line = 1;

	if (!nul)
		return 0;
	for (const char *p = text.p; p < nul; p++)
		line += *p == '\n';
	object = xasprintf("%s:%zu", path, line);
	return error_set(err, -EINVAL, object, NULL, "NUL byte");
}

int answers_load_text(const char *name, struct blob text, struct answers *out, struct error *err)
{
	struct yaml_node *root;
	int r;

	answers_new(out, name);
	r = check_bytes(name, text, err);
	if (r == 0)
		r = yaml_load_text(out->arena, name, text, &root, err);
	return r < 0 ? r : read_answers(root, out, err);
}

int answers_load(const char *path, struct answers *out, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	int r;

	/* One block from the start: growing would leave copies of the beginning behind. */
	strbuf_reserve(&text, ANSWERS_MAX + 1);
	r = read_file(AT_FDCWD, path, ANSWERS_MAX, &text);
	if (r < 0)
		answers_new(out, path);
	if (r == -EFBIG)
		return error_set(err, r, path, NULL, "larger than %d KiB: this is no answer file", ANSWERS_MAX >> 10);
	if (r < 0)
		return error_errno(err, r, path, "cannot read");
	r = answers_load_text(path, strbuf_blob(&text), out, err);
	explicit_bzero(text.p, text.n);
	return r;
}

int answers_complete(const struct answers *a, struct error *err)
{
	for (const struct question *q = questions(); q->key; q++) {
		const char *dot = strchr(q->key, '.');
		_cleanup_free_ char *map = dot ? xstrndup(q->key, (size_t)(dot - q->key)) : NULL;
		_cleanup_free_ char *name = dot ? xasprintf("%s: %s", map, dot + 1) : xstrdup(q->key);

		if (!q->needed || q->optional || !q->needed(a) || question_is_given(a, q))
			continue;
		return error_set(err, -EINVAL, a->file, "add it; see " ANSWERS_MANUAL, "the answer '%s' is missing",
				 map && !strcmp(map, "disk") ? map : name);
	}
	return 0;
}

static void write_value(const struct question *q, const char *text, struct strbuf *out)
{
	bool quote = q->kind == QUESTION_TEXT;

	strbuf_add_str(out, quote ? "\"" : q->kind == QUESTION_WORDS ? "[" : "");
	for (; *text; text++) {
		if (quote && (*text == '"' || *text == '\\'))
			strbuf_add_char(out, '\\');
		strbuf_add_char(out, *text);
	}
	strbuf_add_str(out, quote ? "\"\n" : q->kind == QUESTION_WORDS ? "]\n" : "\n");
}

void answers_write(const struct answers *a, struct strbuf *out)
{
	size_t in_map = 0; /* length of the name of the map that is being written */

	strbuf_add_str(out, "# Answers of an installation, to be used again; the secrets must be added (" ANSWERS_MANUAL ").\n");
	for (const struct question *q = questions(); q->key; q++) {
		const char *dot = strchr(q->key, '.');
		size_t map = dot ? (size_t)(dot - q->key) : 0;
		_cleanup_strbuf_ struct strbuf text = {0};

		if (q->get ? !q->get(a, &text) : map && map != in_map)
			continue;
		if (map && map != in_map)
			strbuf_printf(out, "%.*s:\n", (int)map, q->key);
		in_map = map;
		strbuf_add_str(out, map ? "  " : "");
		if (q->get) {
			strbuf_printf(out, "%s: ", dot ? dot + 1 : q->key);
			write_value(q, text.p, out);
		} else {
			strbuf_printf(out, "# %s: \"...\"\n", dot ? dot + 1 : q->key);
		}
	}
}

void answers_free(struct answers *answers)
{
	secret_wipe(&answers->passphrase);
	secret_wipe(&answers->recovery_key);
	secret_wipe(&answers->password);
	arena_free(answers->arena);
	*answers = (struct answers){0};
}
