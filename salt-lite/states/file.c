/* file.* */
#include <fcntl.h>
#include <sys/stat.h>

#include "common/sys/file.h"
#include "salt-lite/states/state.h"
#include "salt-lite/value/regex.h"

enum { DIFFERENCE_MAX = 1 << 19 };

bool file_content(struct salt *s, const char *path, struct blob *old)
{
	int r = content_read(s, rooted(s, path), old);

	if (r < 0 && r != -ENOENT)
		heap_fail(&s->h, "%s cannot be read: %s", path, strerror(-r));
	return r >= 0;
}

static bool line_begins(struct blob text, size_t at)
{
	return !at || text.p[at - 1] == '\n';
}

/* The lines that leave and those that come, between what is the same at both ends. */
static const struct value *difference(struct salt *s, struct blob old, struct blob new)
{
	struct text t = {0};
	struct blob line;
	size_t head = 0, tail = 0;

	if (memchr(old.p, 0, old.n) || memchr(new.p, 0, new.n))
		return value_string(&s->h, "(binary content differs)");
	while (head < old.n && head < new.n && old.p[head] == new.p[head])
		head++;
	while (!line_begins(old, head))
		head--;
	while (tail < old.n - head && tail < new.n - head && old.p[old.n - 1 - tail] == new.p[new.n - 1 - tail])
		tail++;
	while (tail && (!line_begins(old, old.n - tail) || !line_begins(new, new.n - tail)))
		tail--;
	old = (struct blob){old.p + head, old.n - head - tail};
	new = (struct blob){new.p + head, new.n - head - tail};
	if (old.n + new.n > DIFFERENCE_MAX)
		return value_string(&s->h, "(too much to show)");
	while (blob_token(&old, '\n', &line))
		text_printf(&s->h, &t, "\n              -%.*s", BLOB_ARG(line));
	while (blob_token(&new, '\n', &line))
		text_printf(&s->h, &t, "\n              +%.*s", BLOB_ARG(line));
	return value_blob(&s->h, text_blob(&t));
}

/* As arg_mode(), but for "keep". */
static bool mode_arg(struct salt *s, const struct chunk *c, const char *name, const char *source, mode_t *mode)
{
	struct stat st;

	if (!value_is_str(arg(c, name), "keep"))
		return arg_mode(s, c, name, mode);
	if (!source || stat(source, &st) < 0)
		heap_fail(&s->h, "'%s: keep' needs a source, whose mode it is", name);
	*mode = st.st_mode & 07777;
	return true;
}

void file_keep_owner(struct salt *s, struct chunk *c, const char *path)
{
	const char *user = arg_text(s, c, "user", NULL), *group = arg_text(s, c, "group", NULL);
	int64_t uid = user ? account_id(s, "/etc/passwd", user) : -1, gid = group ? account_id(s, "/etc/group", group) : -1;
	struct stat st;

	if ((user && uid < 0) || (group && gid < 0)) {
		result_fail(s, c, "%s %s is not available", uid < 0 && user ? "User" : "Group",
			    uid < 0 && user ? user : group);
		return;
	}
	if ((!user && !group) || stat(rooted(s, path), &st) < 0 ||
	    ((uid < 0 || st.st_uid == uid) && (gid < 0 || st.st_gid == gid)))
		return;
	result_change(s, c, "owner", value_format(&s->h, "%s:%s", user ? user : "", group ? group : ""));
	if (!s->test && chown(rooted(s, path), (uid_t)uid, (gid_t)gid) < 0)
		result_fail(s, c, "the owner of %s cannot be changed: %s", path, strerror(errno));
}

void file_keep_mode(struct salt *s, struct chunk *c, const char *path, const char *name, const char *source)
{
	struct stat st;
	mode_t mode;

	if (!mode_arg(s, c, name, source, &mode) || stat(rooted(s, path), &st) < 0 || (st.st_mode & 07777) == mode)
		return;
	result_change(s, c, "mode", value_format(&s->h, "0%o", mode));
	if (!s->test && chmod(rooted(s, path), mode) < 0)
		result_fail(s, c, "the mode of %s cannot be changed: %s", path, strerror(errno));
}

/* Where the file lies: as in Salt, links are followed, but none that leads out of the root. */
static const char *real_path(struct salt *s, const char *path)
{
	_cleanup_free_ char *real = realpath(rooted(s, path), NULL), *root = realpath(s->root[0] ? s->root : "/", NULL);
	size_t n = root && root[1] ? strlen(root) : 0;

	if (!real || !root || strncmp(real, root, n) || real[n] != '/')
		return rooted(s, path);
	return arena_strdup(s->h.arena, real);
}

static int write_content(const char *path, struct blob text, mode_t mode)
{
	int r = write_atomic(AT_FDCWD, path, text.p, text.n, mode);

	/* Something is mounted on it: it cannot be replaced. */
	return r == -EBUSY ? write_file(AT_FDCWD, path, text.p, text.n, mode) : r;
}

/* As file_store(), with that mode; NULL: the one that the file has. */
static void store(struct salt *s, struct chunk *c, const char *path, struct blob old, struct blob new, bool existed,
		  const mode_t *wanted)
{
	mode_t mode = 0644;
	struct stat st;
	int r;

	if (existed && blob_eq(old, new))
		return;
	if (arg_bool(c, "show_changes", !arg(c, "contents_pillar")))
		result_change(s, c, "diff", existed ? difference(s, old, new) : value_string(&s->h, "New file"));
	else
		result_change(s, c, "diff", value_string(&s->h, "<show_changes=False>"));
	if (s->test)
		return;
	if (stat(rooted(s, path), &st) == 0)
		mode = st.st_mode & 07777;
	if (arg_bool(c, "makedirs", false) && (r = mkdir_parents(AT_FDCWD, rooted(s, path), 0755)) < 0)
		result_fail(s, c, "the folder of %s cannot be made: %s", path, strerror(-r));
	r = write_content(real_path(s, path), new, wanted ? *wanted : mode);
	if (r < 0)
		result_fail(s, c, "%s cannot be written: %s", path, strerror(-r));
	else if (existed && (st.st_uid != geteuid() || st.st_gid != getegid()))
		if (chown(rooted(s, path), st.st_uid, st.st_gid) < 0)
			result_fail(s, c, "the owner of %s cannot be kept: %s", path, strerror(errno));
}

void file_store(struct salt *s, struct chunk *c, const char *path, struct blob old, struct blob new, bool existed)
{
	store(s, c, path, old, new, existed, NULL);
}

void file_finish(struct salt *s, struct chunk *c, const char *good)
{
	if (c->result.value == RESULT_FALSE)
		return;
	if (!c->result.changes->map.n)
		result_say(s, c, "%s", good);
	else
		result_say(s, c, "File %s %s", c->name, s->test ? "is set to be changed" : "updated");
}

/* A text or a list of lines as one text. */
static struct blob joined_lines(struct salt *s, const struct value *v)
{
	struct text t = {0};

	if (!value_is_list(v))
		return value_text(&s->h, v);
	for (size_t i = 0; i < v->list.n; i++) {
		if (i)
			text_add_char(&s->h, &t, '\n');
		text_add(&s->h, &t, value_text(&s->h, v->list.items[i]));
	}
	return text_blob(&t);
}

struct blob file_templated(struct salt *s, const struct chunk *c, const char *path, struct blob text)
{
	const struct value *context = arg(c, "context"), *defaults = arg(c, "defaults");
	struct value *vars;

	if (!arg(c, "template"))
		return text;
	if (!value_is_str(arg(c, "template"), "jinja"))
		heap_fail(&s->h, "only jinja templates are supported");
	vars = defaults && defaults->kind == V_MAP ? map_copy(&s->h, defaults) : map_new(&s->h);
	for (size_t i = 0; context && context->kind == V_MAP && i < context->map.n; i++)
		map_set(&s->h, vars, context->map.pairs[i].key, context->map.pairs[i].value);
	return salt_template(s, path, c->sls, text, vars);
}

/* The first of the sources that there is; *from: its file. */
static struct blob source_content(struct salt *s, const struct chunk *c, const char **from)
{
	const struct value *sources = arg_list(s, c, "source");
	struct blob text;

	for (size_t i = 0; i < sources->list.n; i++) {
		const struct value *v = sources->list.items[i];

		if (v->kind != V_STRING)
			heap_fail(&s->h, "a source is a text, not %s", value_kind_name(v));
		if (salt_read_source(s, value_cstr(&s->h, v), &text, from))
			return text;
	}
	heap_fail(&s->h, "the source %s is in none of the file roots", list_joined(&s->h, sources));
}

/* *from: the file that it comes from; left as it is when there is none. */
static struct blob wanted_content(struct salt *s, struct chunk *c, struct blob old, const char **from)
{
	const struct value *contents = arg(c, "contents");
	const struct value *pillar = arg(c, "contents_pillar");
	struct text t = {0};
	struct blob text;
	const char *path;

	if (pillar) {
		contents = value_path(&s->h, s->pillar, value_text(&s->h, pillar), ':');
		if (!contents)
			heap_fail(&s->h, "the pillar has no %s", value_cstr(&s->h, pillar));
	}
	if (contents) {
		text_add(&s->h, &t, joined_lines(s, contents));
		if (t.n && t.p[t.n - 1] != '\n' && arg_bool(c, "contents_newline", true))
			text_add_char(&s->h, &t, '\n');
		text = text_blob(&t);
		path = c->name;
	} else if (arg(c, "source")) {
		text = source_content(s, c, &path);
		*from = path;
	} else {
		return old;
	}
	return file_templated(s, c, path, text);
}

static void file_managed(struct salt *s, struct chunk *c)
{
	struct blob old, new;
	bool existed = file_content(s, c->name, &old), moded;
	const char *from = NULL;
	mode_t mode;

	new = existed && !arg_bool(c, "replace", true) ? old : wanted_content(s, c, old, &from);
	/* The mode may be the source's though its content is not wanted. */
	if (!from && value_is_str(arg(c, "mode"), "keep") && arg(c, "source"))
		source_content(s, c, &from);
	moded = mode_arg(s, c, "mode", from, &mode);
	store(s, c, c->name, old, new, existed, moded ? &mode : NULL);
	file_keep_mode(s, c, c->name, "mode", from);
	file_keep_owner(s, c, c->name);
	file_finish(s, c, "File is in the correct state");
}

static bool has_line_block(struct blob text, struct blob block)
{
	const char *at = text.p;

	while (block.n && (at = memmem(at, text.n - (size_t)(at - text.p), block.p, block.n))) {
		bool start = at == text.p || at[-1] == '\n';
		const char *end = at + block.n;

		if (start && (end == text.p + text.n || *end == '\n'))
			return true;
		at++;
	}
	return false;
}

static void add_texts(struct salt *s, struct chunk *c, bool before)
{
	const struct value *texts = arg_list(s, c, "text");
	struct blob old;
	bool existed = file_content(s, c->name, &old), moded;
	struct text head = {0}, t = {0};
	mode_t mode;

	for (size_t i = 0; i < texts->list.n; i++) {
		struct blob text = value_text(&s->h, texts->list.items[i]);

		while (text.n && text.p[text.n - 1] == '\n')
			text.n--;
		if (has_line_block(old, text))
			continue;
		text_add(&s->h, &head, text);
		text_add_char(&s->h, &head, '\n');
	}
	if (before)
		text_add(&s->h, &t, text_blob(&head));
	text_add(&s->h, &t, old);
	if (!before && head.n && t.n && t.p[t.n - 1] != '\n')
		text_add_char(&s->h, &t, '\n');
	if (!before)
		text_add(&s->h, &t, text_blob(&head));
	moded = arg_mode(s, c, "mode", &mode);
	store(s, c, c->name, old, text_blob(&t), existed, moded ? &mode : NULL);
	file_finish(s, c, "File is in the correct state");
}

static void file_append(struct salt *s, struct chunk *c) { add_texts(s, c, false); }
static void file_prepend(struct salt *s, struct chunk *c) { add_texts(s, c, true); }

static void file_replace(struct salt *s, struct chunk *c)
{
	const char *pattern = arg_text(s, c, "pattern", NULL);
	const struct value *count = arg(c, "count");
	struct blob old, new;

	if (!pattern) {
		result_fail(s, c, "file.replace needs a pattern");
		return;
	}
	if (!file_content(s, c->name, &old)) {
		if (!arg_bool(c, "ignore_if_missing", false))
			result_fail(s, c, "Unable to perform replacement, file %s does not exist", c->name);
		return;
	}
	new = regex_replace(&s->h, pattern, REGEX_MULTILINE, old, blob_of(arg_text(s, c, "repl", "")),
			    count && count->kind == V_INT ? (uint64_t)count->i : 0);
	if (blob_eq(old, new) && arg_bool(c, "append_if_not_found", false) &&
	    !regex_found(&s->h, pattern, REGEX_MULTILINE, old)) {
		struct text t = {0};

		text_printf(&s->h, &t, "%.*s%s%s\n", BLOB_ARG(old), old.n && old.p[old.n - 1] != '\n' ? "\n" : "",
			    arg_text(s, c, "not_found_content", arg_text(s, c, "repl", "")));
		new = text_blob(&t);
	}
	file_store(s, c, c->name, old, new, true);
	file_finish(s, c, "No changes needed to be made");
}

static void comment_lines(struct salt *s, struct chunk *c, const char *pattern, const char *by)
{
	struct blob old;

	if (!file_content(s, c->name, &old)) {
		result_fail(s, c, "%s does not exist", c->name);
		return;
	}
	file_store(s, c, c->name, old, regex_replace(&s->h, pattern, REGEX_MULTILINE, old, blob_of(by), 0), true);
	file_finish(s, c, "Pattern already as wanted");
}

static const char *bare_regex(struct salt *s, const struct chunk *c)
{
	const char *regex = arg_text(s, c, "regex", "");
	size_t n = strlen(regex);

	regex += regex[0] == '^';
	n = strlen(regex);
	return arena_strndup(s->h.arena, regex, n && regex[n - 1] == '$' ? n - 1 : n);
}

static void file_comment(struct salt *s, struct chunk *c)
{
	comment_lines(s, c, arena_printf(s->h.arena, "^(\\s*%s.*)$", bare_regex(s, c)),
		      arena_printf(s->h.arena, "%s\\1", arg_text(s, c, "char", "#")));
}

static void file_uncomment(struct salt *s, struct chunk *c)
{
	comment_lines(s, c, arena_printf(s->h.arena, "^%s(\\s*%s.*)$", arg_text(s, c, "char", "#"), bare_regex(s, c)),
		      "\\1");
}

/* However its path is written: //, /etc/.. */
static bool is_root(const struct salt *s, const struct stat *st)
{
	struct stat root;

	return stat(s->root[0] ? s->root : "/", &root) == 0 && root.st_dev == st->st_dev && root.st_ino == st->st_ino;
}

static void file_absent(struct salt *s, struct chunk *c)
{
	struct stat st;
	int r;

	if (lstat(rooted(s, c->name), &st) < 0) {
		result_say(s, c, "File %s is not present", c->name);
		return;
	}
	if (c->name[0] != '/' || is_root(s, &st)) {
		result_fail(s, c, "Refusing to remove %s", c->name);
		return;
	}
	result_change(s, c, "removed", value_string(&s->h, c->name));
	result_say(s, c, s->test ? "File %s is set for removal" : "Removed file %s", c->name);
	if (!s->test && (r = remove_tree(AT_FDCWD, rooted(s, c->name))) < 0)
		result_fail(s, c, "%s cannot be removed: %s", c->name, strerror(-r));
}

static void file_directory(struct salt *s, struct chunk *c)
{
	mode_t mode = 0755;
	struct stat st;
	int r = 0;

	if (stat(rooted(s, c->name), &st) == 0 && !S_ISDIR(st.st_mode)) {
		result_fail(s, c, "%s exists and is not a directory", c->name);
		return;
	}
	if (stat(rooted(s, c->name), &st) < 0) {
		arg_mode(s, c, "mode", &mode);
		arg_mode(s, c, "dir_mode", &mode);
		result_change(s, c, c->name, value_string(&s->h, "directory"));
		if (!s->test && arg_bool(c, "makedirs", false))
			r = mkdir_p(AT_FDCWD, rooted(s, c->name), mode);
		else if (!s->test && mkdir(rooted(s, c->name), mode) < 0)
			r = -errno;
		if (r < 0)
			result_fail(s, c, "%s cannot be made: %s", c->name, strerror(-r));
	}
	file_keep_mode(s, c, c->name, arg(c, "dir_mode") ? "dir_mode" : "mode", NULL);
	file_keep_owner(s, c, c->name);
	file_finish(s, c, "The directory is in the correct state");
}

static void file_symlink(struct salt *s, struct chunk *c)
{
	const char *target = arg_text(s, c, "target", NULL), *path = rooted(s, c->name);
	char now[4096];
	ssize_t n = readlink(path, now, sizeof(now) - 1);

	if (!target) {
		result_fail(s, c, "file.symlink needs a target");
		return;
	}
	now[n > 0 ? n : 0] = 0;
	if (n >= 0 && !strcmp(now, target)) {
		result_say(s, c, "Symlink %s is present", c->name);
		return;
	}
	if (n < 0 && errno != ENOENT && !arg_bool(c, "force", false)) {
		result_fail(s, c, "%s exists and is no link", c->name);
		return;
	}
	result_change(s, c, "new", value_format(&s->h, "%s -> %s", c->name, target));
	if (s->test)
		return;
	if (arg_bool(c, "makedirs", false))
		mkdir_parents(AT_FDCWD, path, 0755);
	remove_tree(AT_FDCWD, path);
	if (symlink(target, path) < 0)
		result_fail(s, c, "%s cannot be made: %s", c->name, strerror(errno));
}

static void file_touched(struct salt *s, struct chunk *c)
{
	result_say(s, c, "File %s exists", c->name);
	if (access(rooted(s, c->name), F_OK) < 0) {
		c->result.comment.n = 0;
		result_fail(s, c, "Specified path %s does not exist", c->name);
	}
}

const struct state_function file_states[] = {
	{"file", "managed", file_managed,
	 "contents contents_pillar contents_newline source template context defaults user group mode makedirs replace "
	 "show_changes", NULL},
	{"file", "append", file_append, "text makedirs mode show_changes", NULL},
	{"file", "prepend", file_prepend, "text makedirs mode show_changes", NULL},
	{"file", "replace", file_replace,
	 "pattern repl count append_if_not_found not_found_content ignore_if_missing show_changes", NULL},
	{"file", "comment", file_comment, "regex char show_changes", NULL},
	{"file", "uncomment", file_uncomment, "regex char show_changes", NULL},
	{"file", "absent", file_absent, "", NULL},
	{"file", "directory", file_directory, "user group mode dir_mode makedirs", NULL},
	{"file", "symlink", file_symlink, "target force makedirs", NULL},
	{"file", "exists", file_touched, "", NULL},
	{0},
};
