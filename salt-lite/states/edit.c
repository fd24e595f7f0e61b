/* file.line and file.recurse. */
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include "common/sys/file.h"
#include "salt-lite/states/state.h"
#include "salt-lite/value/regex.h"

enum { DEPTH_MAX = 32 };

/* The text as lines without their ends. */
static struct value *split(struct salt *s, struct blob text)
{
	struct value *lines = list_new(&s->h);
	struct blob line;

	while (blob_token(&text, '\n', &line))
		list_push(&s->h, lines, value_blob(&s->h, line));
	return lines;
}

static bool line_matches(struct salt *s, const struct value *line, const char *pattern)
{
	struct blob text = value_text(&s->h, line);

	return memmem(text.p, text.n, pattern, strlen(pattern)) || regex_found(&s->h, pattern, 0, text);
}

/* The place of the one line that matches; -1: none. Several are ambiguous. */
static ssize_t find_line(struct salt *s, struct chunk *c, const struct value *lines, const char *parameter)
{
	const char *pattern = arg_text(s, c, parameter, NULL);
	ssize_t found = -1;

	for (size_t i = 0; pattern && i < lines->list.n; i++) {
		if (!line_matches(s, lines->list.items[i], pattern))
			continue;
		if (found >= 0)
			heap_fail(&s->h, "'%s: %s' fits several lines of %s", parameter, pattern, c->name);
		found = (ssize_t)i;
	}
	return found;
}

/* With the indentation of its neighbour. */
static const struct value *indented(struct salt *s, struct chunk *c, const struct value *like, const char *content)
{
	struct blob text = like ? value_text(&s->h, like) : BLOB("");
	size_t n = 0;

	while (arg_bool(c, "indent", true) && n < text.n && (text.p[n] == ' ' || text.p[n] == '\t'))
		n++;
	return value_format(&s->h, "%.*s%s", (int)n, text.p ? text.p : "", content);
}

static struct value *with(struct salt *s, const struct value *lines, size_t at, const struct value *line)
{
	struct value *out = list_new(&s->h);

	for (size_t i = 0; i < at; i++)
		list_push(&s->h, out, lines->list.items[i]);
	list_push(&s->h, out, line);
	for (size_t i = at; i < lines->list.n; i++)
		list_push(&s->h, out, lines->list.items[i]);
	return out;
}

static bool same_text(struct salt *s, const struct value *line, const char *content)
{
	return blob_eq(blob_trim(value_text(&s->h, line)), blob_trim(blob_of(content)));
}

/* Where the content goes: after a line, before one, at the start or the end. */
static const struct value *insert(struct salt *s, struct chunk *c, const struct value *lines, const char *content)
{
	ssize_t after = find_line(s, c, lines, "after"), before = find_line(s, c, lines, "before");
	const char *location = arg_text(s, c, "location", NULL);
	size_t at;

	if ((arg(c, "after") && after < 0) || (arg(c, "before") && before < 0)) {
		result_fail(s, c, "Unable to find the line of %s that the new one goes %s", c->name,
			    arg(c, "after") && after < 0 ? "after" : "before");
		return lines;
	}
	if (after < 0 && before < 0 && !location) {
		result_fail(s, c, "file.line needs after, before or location");
		return lines;
	}
	at = after >= 0 ? (size_t)after + 1 : before >= 0 ? (size_t)before : !strcmp(location, "start") ? 0 : lines->list.n;
	for (size_t i = at > 0 ? at - 1 : 0; i <= at && i < lines->list.n; i++)
		if (same_text(s, lines->list.items[i], content))
			return lines;
	return with(s, lines, at, indented(s, c, after >= 0 ? lines->list.items[after] : before >= 0 ? lines->list.items[before] : NULL, content));
}

static const struct value *ensure(struct salt *s, struct chunk *c, const struct value *lines, const char *content)
{
	for (size_t i = 0; i < lines->list.n; i++)
		if (same_text(s, lines->list.items[i], content))
			return lines;
	return insert(s, c, lines, content);
}

/* Lines that match: replaced, or left out. */
static const struct value *each_match(struct salt *s, struct chunk *c, const struct value *lines, const char *content,
				      bool replace)
{
	const char *match = arg_text(s, c, "match", content);
	struct value *out = list_new(&s->h);

	for (size_t i = 0; i < lines->list.n; i++) {
		const struct value *line = lines->list.items[i];

		if (!line_matches(s, line, match))
			list_push(&s->h, out, line);
		else if (replace)
			list_push(&s->h, out, indented(s, c, line, content));
	}
	return out;
}

static void file_line(struct salt *s, struct chunk *c)
{
	const char *mode = arg_text(s, c, "mode", "ensure"), *content = arg_text(s, c, "content", "");
	const struct value *lines;
	struct blob old, joined;
	bool existed = file_content(s, c->name, &old);
	struct text t = {0};

	if (!existed && !arg_bool(c, "create", false)) {
		result_fail(s, c, "%s does not exist", c->name);
		return;
	}
	lines = split(s, old);
	if (!strcmp(mode, "delete") || !strcmp(mode, "replace"))
		lines = each_match(s, c, lines, content, mode[0] == 'r');
	else if (!strcmp(mode, "insert"))
		lines = insert(s, c, lines, content);
	else if (!strcmp(mode, "ensure"))
		lines = ensure(s, c, lines, content);
	else
		result_fail(s, c, "file.line has no mode %s: ensure, insert, replace or delete", mode);
	if (c->result.value == RESULT_FALSE)
		return;
	for (size_t i = 0; i < lines->list.n; i++)
		text_printf(&s->h, &t, "%.*s\n", BLOB_ARG(value_text(&s->h, lines->list.items[i])));
	joined = text_blob(&t);
	/* A last line without an end keeps that form when nothing else changes. */
	if (old.n && old.p[old.n - 1] != '\n' && joined.n == old.n + 1 && !memcmp(joined.p, old.p, old.n))
		joined.n--;
	file_store(s, c, c->name, old, joined, existed);
	file_finish(s, c, "No changes needed to be made");
}

/* file.recurse */

/* "E@REGEX" or a glob, on the path below the source. */
static bool pattern_fits(struct salt *s, const char *pattern, const char *path)
{
	if (!strncmp(pattern, "E@", 2))
		return regex_found(&s->h, pattern + 2, 0, blob_of(path));
	return !fnmatch(pattern, path, 0);
}

static bool included(struct salt *s, struct chunk *c, const char *path)
{
	const char *only = arg_text(s, c, "include_pat", NULL), *not = arg_text(s, c, "exclude_pat", NULL);

	return (!only || pattern_fits(s, only, path)) && !(not && pattern_fits(s, not, path));
}

/* Paths of all files below a folder, sorted; the list keeps those that are there already. */
static void walk(struct salt *s, const char *folder, const char *below, unsigned depth, struct value *files)
{
	const char *path = arena_printf(s->h.arena, "%s/%s", folder, below);
	struct dirent **names = NULL;
	int n = scandir(path, &names, NULL, alphasort);
	struct value *list = list_new(&s->h);

	if (depth > DEPTH_MAX)
		heap_fail(&s->h, "%s is deeper than %d folders", path, DEPTH_MAX);
	for (int i = 0; i < n; i++) {
		if (strcmp(names[i]->d_name, ".") && strcmp(names[i]->d_name, ".."))
			list_push(&s->h, list, value_string(&s->h, names[i]->d_name));
		free(names[i]);
	}
	free(names);
	for (size_t i = 0; i < list->list.n; i++) {
		const char *name = arena_printf(s->h.arena, "%s%s%s", below, below[0] ? "/" : "", value_cstr(&s->h, list->list.items[i]));
		struct stat st;

		if (lstat(arena_printf(s->h.arena, "%s/%s", folder, name), &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode))
			walk(s, folder, name, depth + 1, files);
		else if (!map_get_str(files, name))
			map_set_str(&s->h, files, name, value_bool(true));
	}
}

static void make_folders(struct salt *s, struct chunk *c, const char *path)
{
	mode_t mode = 0755;
	int r;

	arg_mode(s, c, "dir_mode", &mode);
	r = s->test ? 0 : mkdir_parents(AT_FDCWD, rooted(s, path), mode);
	if (r < 0)
		heap_fail(&s->h, "the folder of %s cannot be made: %s", path, strerror(-r));
}

static void recurse_one(struct salt *s, struct chunk *c, const char *source, const char *name)
{
	const char *path = arena_printf(s->h.arena, "%s/%s", c->name, name), *from;
	struct blob old, new;
	size_t before = c->result.changes->map.n;
	const struct value *diff = map_get_str(c->result.changes, "diff");
	bool existed;

	/* Those of the file before. */
	contents_forget(s);
	existed = file_content(s, path, &old);
	if (!salt_read_source(s, arena_printf(s->h.arena, "%s/%s", source, name), &new, &from))
		heap_fail(&s->h, "%s/%s is in none of the file roots", source, name);
	new = file_templated(s, c, from, new);
	make_folders(s, c, path);
	file_store(s, c, path, old, new, existed);
	file_keep_mode(s, c, path, "file_mode", from);
	file_keep_owner(s, c, path);
	/* Each file by its own name. */
	if (c->result.changes->map.n != before || map_get_str(c->result.changes, "diff") != diff) {
		const struct value *now = map_get_str(c->result.changes, "diff");

		map_remove(c->result.changes, value_string(&s->h, "diff"));
		result_change(s, c, path, now ? now : value_string(&s->h, "changed"));
	}
}

static void clean(struct salt *s, struct chunk *c, const struct value *wanted)
{
	struct value *there = map_new(&s->h);

	walk(s, rooted(s, c->name), "", 0, there);
	for (size_t i = 0; i < there->map.n; i++) {
		const char *name = value_cstr(&s->h, there->map.pairs[i].key);
		const char *path = arena_printf(s->h.arena, "%s/%s", c->name, name);

		if (map_get_str(wanted, name) || !included(s, c, name))
			continue;
		result_change(s, c, path, value_string(&s->h, "removed"));
		if (!s->test && unlink(rooted(s, path)) < 0)
			result_fail(s, c, "%s cannot be removed: %s", path, strerror(errno));
	}
}

static void file_recurse(struct salt *s, struct chunk *c)
{
	const char *source = arg_text(s, c, "source", "");
	struct value *files = map_new(&s->h);

	if (!strncmp(source, "salt://", 7))
		source += 7;
	if (!source[0] || strstr(source, "..")) {
		result_fail(s, c, "file.recurse needs a source such as salt://folder");
		return;
	}
	for (size_t i = 0; i < s->roots->n; i++)
		walk(s, arena_printf(s->h.arena, "%s/%s", s->roots->v[i], source), "", 0, files);
	if (!files->map.n) {
		result_fail(s, c, "Recurse failed: %s is in none of the file roots, or empty", source);
		return;
	}
	for (size_t i = 0; i < files->map.n && c->result.value != RESULT_FALSE; i++) {
		const char *name = value_cstr(&s->h, files->map.pairs[i].key);

		if (included(s, c, name))
			recurse_one(s, c, source, name);
	}
	if (arg_bool(c, "clean", false) && c->result.value != RESULT_FALSE)
		clean(s, c, files);
	file_finish(s, c, "The directory is in the correct state");
}

const struct state_function edit_states[] = {
	{"file", "line", file_line, "mode content match after before location indent create show_changes", NULL},
	{"file", "recurse", file_recurse,
	 "source clean user group dir_mode file_mode template context defaults include_pat exclude_pat show_changes", NULL},
	{0},
};
