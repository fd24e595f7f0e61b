/* The files of a policy: which there are, in which order, and what they include. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/alloc.h"
#include "common/base/strmap.h"
#include "common/sys/file.h"
#include "runtime/qrexec/policy/rules.h"

#define MAX_DEPTH 16
#define MAX_FILES 20000
#define MAX_SIZE (4 << 20)

static const char *const standard_dirs[] = {"/run/qubes/policy.d", "/etc/qubes/policy.d", NULL};

const struct policy_places policy_standard_places = {standard_dirs, "/etc/qubes-rpc/policy"};

struct loader {
	struct policy *p;
	const struct policy_places *places;
	const char *open[MAX_DEPTH]; /* files being read, for the loops they might make */
	unsigned depth;
	unsigned files; /* read so far: includes in a tree could multiply without end */
};

static void load_file(struct loader *l, const struct policy_file *from, const char *path, const struct policy_file *binding);

static void note_folder(struct loader *l, const char *dir)
{
	if (!strv_contains(&l->p->folders, dir))
		strv_push(&l->p->folders, dir);
}

/* The folder of a file, and where a link leads: a change of either is a change of the policy. */
static void note_file(struct loader *l, const char *path)
{
	_cleanup_free_ char *real = realpath(path, NULL);
	const char *paths[] = {path, real};

	for (int i = 0; i < 2; i++) {
		const char *slash = paths[i] ? strrchr(paths[i], '/') : NULL;
		_cleanup_free_ char *dir = slash ? xstrndup(paths[i], (size_t)(slash - paths[i])) : NULL;

		if (dir && *dir)
			note_folder(l, dir);
	}
}

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool name_ok(const char *name)
{
	return name[strspn(name, "0123456789abcdefghijklmnopqrstuvwxyz_.-")] == '\0';
}

/* --- names --- */

/*
 * Relative to the folder of the including file; below one of the policy folders the same place is looked at in each of them, so
 * that an included file in /run hides the one in /etc, too.
 */
static char *resolve(const struct loader *l, const struct policy_file *f, struct blob name)
{
	const char *slash = strrchr(f->path, '/');
	int dir_n = slash ? (int)(slash - f->path) : 0;

	if (name.p[0] == '/')
		return arena_strndup(l->p->arena, name.p, name.n);
	for (const char *const *own = l->places->dirs; *own; own++) {
		size_t n = strlen(*own);

		if (strncmp(f->path, *own, n) != 0 || f->path[n] != '/')
			continue;
		for (const char *const *d = l->places->dirs; *d; d++) {
			char *path = arena_printf(l->p->arena, "%s%.*s/%.*s", *d, dir_n - (int)n, f->path + n,
						  BLOB_ARG(name));
			struct stat st;

			if (stat(path, &st) == 0)
				return path;
		}
	}
	return arena_printf(l->p->arena, "%.*s/%.*s", dir_n, f->path, BLOB_ARG(name));
}

/* Paths of the policy files of a folder, by name; names that are there already are hidden. */
static void list(struct loader *l, const char *dir, struct strmap *found, struct strv *names)
{
	_cleanup_closedir_ DIR *d = opendir(dir);
	const struct dirent *e;

	note_folder(l, dir);
	if (!d && errno != ENOENT)
		strv_pushf(&l->p->errors, "%s: %s", dir, strerror(errno));
	while (d && (e = readdir(d))) {
		char *path;

		if (e->d_name[0] == '.' || !blob_has_suffix(blob_of(e->d_name), ".policy"))
			continue;
		path = arena_printf(l->p->arena, "%s/%s", dir, e->d_name);
		if (!is_file(path) || strmap_get(found, e->d_name))
			continue;
		if (!name_ok(e->d_name))
			strv_pushf(&l->p->errors, "%s: file names may have 0-9 a-z _ . - only", path);
		strmap_put(found, e->d_name, path);
		strv_push(names, e->d_name);
	}
}

static void load_dirs(struct loader *l, const struct policy_file *from, const char *const *dirs)
{
	_cleanup_strmap_ struct strmap found = {0};
	_cleanup_strv_ struct strv names = {0};

	for (; *dirs; dirs++)
		list(l, *dirs, &found, &names);
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++)
		load_file(l, from, strmap_get(&found, names.v[i]), NULL);
}

/* --- the old format --- */

static bool is_leftover(const char *name)
{
	static const char *const ends[] = {".rpmsave", ".rpmnew", ".swp"};

	for (unsigned i = 0; i < 3; i++)
		if (blob_has_suffix(blob_of(name), ends[i]))
			return true;
	return name[0] == '.';
}

/* What a file for one argument does not mention is not for the file of the bare service to decide. */
static void add_implied_deny(struct policy *p, const struct policy_file *f)
{
	static const enum token_kind targets[] = {TOKEN_ANYVM, TOKEN_ADMINVM};

	for (unsigned i = 0; i < 2; i++) {
		struct rule *r = policy_rule_add(p, f);

		r->service = f->service;
		r->argument = f->argument;
		r->source.kind = TOKEN_ANYVM;
		r->target.kind = targets[i];
		r->action = RULE_DENY;
		r->notify = true;
		r->line = 0;
	}
}

static void load_legacy_file(struct loader *l, const struct policy_file *from, const char *dir, const char *name)
{
	const char *plus = strchr(name, '+');
	struct policy_file binding = {.path = arena_printf(l->p->arena, "%s/%s", dir, name), .old_format = true};
	struct blob service = {name, plus ? (size_t)(plus - name) : strlen(name)};

	if (!policy_service_parse(l->p, &binding, service, plus ? blob_of(plus) : BLOB("*"), &binding.service,
				  &binding.argument))
		return;
	load_file(l, from, binding.path, &binding);
	if (plus)
		add_implied_deny(l->p, &binding);
}

static void load_legacy(struct loader *l, const struct policy_file *from)
{
	const char *dir = l->places->legacy;
	_cleanup_closedir_ DIR *d = opendir(dir);
	_cleanup_strv_ struct strv names = {0};
	const struct dirent *e;

	note_folder(l, dir);
	if (!d && errno != ENOENT)
		policy_error(l->p, from, "%s: %s", dir, strerror(errno));
	while (d && (e = readdir(d))) {
		_cleanup_free_ char *path = xasprintf("%s/%s", dir, e->d_name);

		if (!is_leftover(e->d_name) && is_file(path))
			strv_push(&names, e->d_name);
	}
	strv_sort(&names);
	/* A file for an argument counts before the one for all arguments. */
	for (int bare = 0; bare < 2; bare++)
		for (size_t i = 0; i < names.n; i++)
			if ((strchr(names.v[i], '+') == NULL) == (bool)bare)
				load_legacy_file(l, from, dir, names.v[i]);
}

/* '$' was what '@' is now. */
static struct blob modernise(struct policy *p, struct blob line)
{
	char *copy = arena_strndup(p->arena, line.p, line.n);

	for (size_t i = 0; i < line.n; i++)
		if (copy[i] == '$')
			copy[i] = '@';
	return (struct blob){copy, line.n};
}

/* --- lines --- */

static void include_service(struct loader *l, struct policy_file *f, struct blob rest)
{
	struct policy_file binding = {.old_format = true};
	struct blob service, argument, path, more;

	if (!blob_word(&rest, &service) || !blob_word(&rest, &argument) || !blob_word(&rest, &path) || blob_word(&rest, &more)) {
		policy_error(l->p, f, "!include-service wants SERVICE ARGUMENT FILE");
		return;
	}
	if (policy_service_parse(l->p, f, service, argument, &binding.service, &binding.argument))
		load_file(l, f, resolve(l, f, path), &binding);
}

static void take_directive(struct loader *l, struct policy_file *f, struct blob line)
{
	struct blob word, path, more;

	blob_word(&line, &word);
	if (blob_eq_str(word, "!include-service") && !f->old_format) {
		include_service(l, f, line);
		return;
	}
	if (blob_eq_str(word, "!compat-4.0") && !f->old_format) {
		if (blob_word(&line, &more))
			policy_error(l->p, f, "!compat-4.0 takes nothing");
		else
			load_legacy(l, f);
		return;
	}
	if (!blob_eq_str(word, "!include") && (!blob_eq_str(word, "!include-dir") || f->old_format)) {
		policy_error(l->p, f, "unknown directive '%.*s'", BLOB_ARG(word));
		return;
	}
	if (!blob_word(&line, &path) || blob_word(&line, &more)) {
		policy_error(l->p, f, "%.*s wants one path", BLOB_ARG(word));
		return;
	}
	if (blob_eq_str(word, "!include")) {
		load_file(l, f, resolve(l, f, path), f->old_format ? f : NULL);
	} else {
		const char *dirs[] = {resolve(l, f, path), NULL};
		struct stat st;

		if (stat(dirs[0], &st) < 0 || !S_ISDIR(st.st_mode))
			policy_error(l->p, f, "%s is no folder", dirs[0]);
		else
			load_dirs(l, f, dirs);
	}
}

static void take_line(struct loader *l, struct policy_file *f, struct blob line)
{
	line = blob_trim(line);
	if (!line.n || line.p[0] == '#')
		return;
	if (f->old_format) {
		line = modernise(l->p, line);
		if (blob_has_prefix(line, "@include:"))
			line = blob_of(arena_printf(l->p->arena, "!include %.*s", (int)line.n - 9, line.p + 9));
	}
	if (line.p[0] == '!')
		take_directive(l, f, line);
	else
		policy_rule_parse(l->p, f, line);
}

/* Whether the file may be read now; errors belong to the line that includes it, or to the file itself. */
static bool may_open(struct loader *l, const struct policy_file *owner, const char *path)
{
	for (unsigned i = 0; i < l->depth; i++) {
		if (strcmp(l->open[i], path) == 0) {
			policy_error(l->p, owner, "%s includes itself", path);
			return false;
		}
	}
	if (l->depth == MAX_DEPTH || l->files++ == MAX_FILES) {
		policy_error(l->p, owner, "%s: includes are nested too deeply or are too many", path);
		return false;
	}
	return l->files <= MAX_FILES;
}

/* `from`: the line that includes it, or NULL. `binding`: of an old file, what it is for. */
static void load_file(struct loader *l, const struct policy_file *from, const char *path, const struct policy_file *binding)
{
	struct policy_file f = {.path = arena_strdup(l->p->arena, path)};
	_cleanup_strbuf_ struct strbuf text = {0};
	struct blob rest, line;
	int r;

	if (!may_open(l, from ? from : &f, path))
		return;
	note_file(l, path);
	r = read_file(AT_FDCWD, path, MAX_SIZE, &text);
	if (r < 0 || memchr(strbuf_blob(&text).p, '\0', text.n)) {
		policy_error(l->p, from ? from : &f, "%s: %s", path, r < 0 ? strerror(-r) : "has a NUL byte");
		return;
	}
	if (binding) {
		f.old_format = true;
		f.service = binding->service;
		f.argument = binding->argument;
	}
	l->open[l->depth++] = f.path;
	rest = strbuf_blob(&text);
	while (blob_token(&rest, '\n', &line)) {
		f.line++;
		take_line(l, &f, line);
	}
	l->depth--;
}

struct policy *policy_load(const struct policy_places *places)
{
	struct loader l = {.p = xcalloc(1, sizeof(*l.p)), .places = places};

	l.p->arena = arena_new();
	load_dirs(&l, NULL, places->dirs);
	return l.p;
}
