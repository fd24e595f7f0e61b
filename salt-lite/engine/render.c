/* Files of the roots, rendered. */
#include <fcntl.h>
#include <limits.h>

#include "common/sys/file.h"
#include "salt-lite/engine/salt.h"
#include "salt-lite/value/yaml.h"

enum { FILE_MAX = 4 << 20, CONTENT_MAX = 64 << 20 };

/* Whether what a file of the roots was read with says that it is there. */
static bool there(struct salt *s, const char *path, int r)
{
	if (r == -ENOENT || r == -ENOTDIR || r == -EISDIR)
		return false;
	if (r < 0)
		heap_fail(&s->h, "%s cannot be read: %s", path, strerror(-r));
	return true;
}

/* The file's text, or NULL: there is none. */
static const struct value *read_at(struct salt *s, const char *path)
{
	_cleanup_strbuf_ struct strbuf buf = {0};
	int r = read_file(AT_FDCWD, path, FILE_MAX, &buf);

	return there(s, path, r) ? value_blob(&s->h, strbuf_blob(&buf)) : NULL;
}

static const char *path_in_root(struct salt *s, size_t root, const char *name)
{
	return arena_printf(s->h.arena, "%s/%s", s->roots->v[root], name + (strncmp(name, "salt://", 7) ? 0 : 7));
}

/* From the first root that has it; `memo` (may be NULL) keeps the texts by path. */
static bool read_from_roots(struct salt *s, const char *name, struct value *memo, struct blob *text, const char **path)
{
	const struct value *found = NULL;

	for (size_t i = 0; i < s->roots->n && !found; i++) {
		*path = path_in_root(s, i, name);
		found = memo ? map_get_str(memo, *path) : NULL;
		if (!found && (found = read_at(s, *path)) && memo)
			map_set_str(&s->h, memo, *path, found);
	}
	if (found)
		*text = found->s;
	return found;
}

bool salt_read(struct salt *s, const char *name, struct blob *text, const char **path)
{
	return read_from_roots(s, name, NULL, text, path);
}

int content_read(struct salt *s, const char *path, struct blob *text)
{
	_cleanup_strbuf_ struct strbuf buf = {0};
	int r = read_file(AT_FDCWD, path, CONTENT_MAX, &buf);
	char *p;

	*text = BLOB("");
	if (r < 0 || !buf.n)
		return r;
	if (!s->contents)
		s->contents = arena_new();
	p = arena_alloc(s->contents, buf.n);
	memcpy(p, buf.p, buf.n);
	*text = (struct blob){p, buf.n};
	return 0;
}

void contents_forget(struct salt *s)
{
	arena_free(s->contents);
	s->contents = NULL;
}

bool salt_read_source(struct salt *s, const char *name, struct blob *text, const char **path)
{
	bool found = false;

	for (size_t i = 0; i < s->roots->n && !found; i++) {
		*path = path_in_root(s, i, name);
		found = there(s, *path, content_read(s, *path, text));
	}
	return found;
}

/* As salt_read(), for what many files import: it is read once. */
static bool import(struct salt *s, const char *name, struct blob *text, const char **path)
{
	return read_from_roots(s, name, s->imported, text, path);
}

static bool load(struct jinja *j, const char *name, const char *from, struct blob *text, const char **path)
{
	struct salt *s = j->data;

	if (name[0] == '.' && name[1] == '/') {
		const char *slash = strrchr(from, '/');

		for (size_t i = 0; slash && i < s->roots->n; i++) {
			size_t n = strlen(s->roots->v[i]);

			if (!strncmp(from, s->roots->v[i], n) && from[n] == '/')
				return import(s, arena_printf(s->h.arena, "%.*s%s", (int)(slash - from - (long)n),
							      from + n, name + 1),
					      text, path);
		}
	}
	if (strstr(name, ".."))
		heap_fail(&s->h, "'%s' leaves the file roots", name);
	return import(s, name, text, path);
}

const char *const environment_names[ENVIRONMENTS] = {"base", "user"};

enum environment environment_find(struct blob name)
{
	enum environment e = ENV_BASE;

	while (e < ENVIRONMENTS && !blob_eq_str(name, environment_names[e]))
		e++;
	return e;
}

void environment_enter(struct salt *s, const struct strv roots[ENVIRONMENTS], enum environment e)
{
	if (s->roots == &roots[e])
		return;
	s->roots = &roots[e];
	s->environment = e;
	map_set_str(&s->h, (struct value *)(uintptr_t)s->jinja.globals, "saltenv",
		    value_string(&s->h, environment_names[e]));
}

void environment_leave(struct salt *s)
{
	environment_enter(s, s->file_roots, s->saltenv ? environment_find(blob_of(s->saltenv)) : ENV_BASE);
}

void salt_prepare(struct salt *s)
{
	struct value *globals = map_new(&s->h);

	s->h.user = s;
	s->jinja = (struct jinja){.h = &s->h, .load = load, .data = s};
	s->imported = map_new(&s->h);
	if (!s->pillar)
		s->pillar = map_new(&s->h);
	if (!s->grains)
		s->grains = grains_gather(s);
	map_set_str(&s->h, globals, "salt", execution_library(s));
	map_set_str(&s->h, globals, "grains", s->grains);
	map_set_str(&s->h, globals, "pillar", s->pillar);
	map_set_str(&s->h, globals, "opts", map_new(&s->h));
	s->jinja.globals = globals;
	environment_leave(s);
}

struct blob salt_template(struct salt *s, const char *path, const char *sls, struct blob text,
			  const struct value *context)
{
	struct value *vars = context ? map_copy(&s->h, context) : map_new(&s->h);
	struct blob first = text;

	if (sls) {
		map_set_str(&s->h, vars, "sls", value_string(&s->h, sls));
		map_set_str(&s->h, vars, "tplfile", value_string(&s->h, path));
	}
	/* "#!yaml" and the like choose another renderer; only Salt's usual pair is there. */
	if (blob_has_prefix(first, "#!") && !blob_has_prefix(first, "#!jinja|yaml") &&
	    !blob_has_prefix(first, "#!/")) {
		s->h.file = path;
		s->h.line = 1;
		if (!blob_has_prefix(first, "#!yaml"))
			heap_fail(&s->h, "only the renderers jinja and yaml are supported");
		return text;
	}
	return jinja_render(&s->jinja, path, text, vars);
}

struct blob salt_render(struct salt *s, const char *name)
{
	struct blob text;
	const char *path;

	if (!salt_read(s, name, &text, &path))
		heap_fail(&s->h, "the file '%s' is in none of the file roots", name);
	return salt_template(s, path, NULL, text, NULL);
}

bool salt_read_sls(struct salt *s, const char *sls, struct blob *text, const char **path)
{
	char *base = arena_strdup(s->h.arena, sls);

	for (char *p = base; *p; p++)
		*p = *p == '.' ? '/' : *p;
	return salt_read(s, arena_printf(s->h.arena, "%s.sls", base), text, path) ||
	       salt_read(s, arena_printf(s->h.arena, "%s/init.sls", base), text, path);
}

const struct value *salt_document(struct salt *s, const char *what, const char *sls, const char *path, struct blob text)
{
	const struct value *doc = yaml_parse(&s->h, path, salt_template(s, path, sls, text, NULL));

	s->h.file = path;
	s->h.line = 0;
	if (doc->kind == V_NONE)
		return NULL;
	if (doc->kind != V_MAP)
		heap_fail(&s->h, "%s is a mapping, not %s", what, value_kind_name(doc));
	return doc;
}

/* One dot before it: beside the file that names it; each further one: a folder up. An init.sls lies in its own folder. */
static const char *whole_name(struct salt *s, const char *sls, const char *path, const char *name)
{
	size_t dots = strspn(name, "."), n = strlen(sls);
	size_t up = dots - (dots && blob_has_suffix(blob_of(path), "/init.sls"));

	for (; up; up--) {
		const char *dot = memrchr(sls, '.', n);

		if (!n)
			heap_fail(&s->h, "'%s' leaves the roots", name);
		n = dot ? (size_t)(dot - sls) : 0;
	}
	return dots && n ? arena_printf(s->h.arena, "%.*s.%s", (int)n, sls, name + dots) : name + dots;
}

const struct value *salt_includes(struct salt *s, const char *sls, const char *path, const struct value *doc)
{
	const struct value *list = map_get_str(doc, "include");
	struct value *names = list_new(&s->h);

	if (list && !value_is_list(list))
		heap_fail(&s->h, "include needs a list");
	for (size_t i = 0; list && i < list->list.n; i++) {
		const struct value *v = list->list.items[i];

		if (v->kind != V_STRING)
			heap_fail(&s->h, "a member of include must be a text, not %s", value_kind_name(v));
		list_push(&s->h, names, value_string(&s->h, whole_name(s, sls, path, value_cstr(&s->h, v))));
	}
	return names;
}

const char *rooted(struct salt *s, const char *path)
{
	return s->root[0] ? arena_printf(s->h.arena, "%s%s%s", s->root, path[0] == '/' ? "" : "/", path) : path;
}
