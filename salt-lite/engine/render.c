/* Files of the roots, rendered. */
#include <fcntl.h>
#include <limits.h>
#include <sys/utsname.h>

#include "common/sys/file.h"
#include "salt-lite/engine/salt.h"
#include "salt-lite/value/yaml.h"

enum { FILE_MAX = 4 << 20 };

bool salt_read(struct salt *s, const char *name, struct blob *text, const char **path)
{
	if (!strncmp(name, "salt://", 7))
		name += 7;
	for (size_t i = 0; i < s->roots->n; i++) {
		_cleanup_strbuf_ struct strbuf buf = {0};
		char *full = arena_printf(s->h.arena, "%s/%s", s->roots->v[i], name);
		char *copy;
		int r = read_file(AT_FDCWD, full, FILE_MAX, &buf);

		if (r == -ENOENT || r == -ENOTDIR || r == -EISDIR)
			continue;
		if (r < 0)
			heap_fail(&s->h, "%s cannot be read: %s", full, strerror(-r));
		copy = heap_alloc(&s->h, buf.n + 1);
		memcpy(copy, buf.p ? buf.p : "", buf.n);
		*text = (struct blob){copy, buf.n};
		*path = full;
		return true;
	}
	return false;
}

static bool load(struct jinja *j, const char *name, const char *from, struct blob *text, const char **path)
{
	struct salt *s = j->data;

	if (name[0] == '.' && name[1] == '/') {
		const char *slash = strrchr(from, '/');

		for (size_t i = 0; slash && i < s->roots->n; i++) {
			size_t n = strlen(s->roots->v[i]);

			if (!strncmp(from, s->roots->v[i], n) && from[n] == '/')
				return salt_read(s, arena_printf(s->h.arena, "%.*s%s", (int)(slash - from - (long)n),
								 from + n, name + 1),
						 text, path);
		}
	}
	if (strstr(name, ".."))
		heap_fail(&s->h, "'%s' leaves the file roots", name);
	return salt_read(s, name, text, path);
}

void salt_prepare(struct salt *s)
{
	struct value *globals = map_new(&s->h);

	s->h.user = s;
	s->jinja = (struct jinja){.h = &s->h, .load = load, .data = s};
	s->roots = &s->file_roots;
	if (!s->pillar)
		s->pillar = map_new(&s->h);
	if (!s->grains)
		s->grains = grains_gather(s);
	map_set_str(&s->h, globals, "salt", execution_library(s));
	map_set_str(&s->h, globals, "grains", s->grains);
	map_set_str(&s->h, globals, "pillar", s->pillar);
	map_set_str(&s->h, globals, "saltenv", value_string(&s->h, "base"));
	map_set_str(&s->h, globals, "opts", map_new(&s->h));
	s->jinja.globals = globals;
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

bool salt_find_sls(struct salt *s, const char *sls, const char **name)
{
	char *base = arena_strdup(s->h.arena, sls);
	struct blob text;
	const char *path;

	for (char *p = base; *p; p++)
		*p = *p == '.' ? '/' : *p;
	*name = arena_printf(s->h.arena, "%s.sls", base);
	if (salt_read(s, *name, &text, &path))
		return true;
	*name = arena_printf(s->h.arena, "%s/init.sls", base);
	return salt_read(s, *name, &text, &path);
}

const char *rooted(struct salt *s, const char *path)
{
	return s->root[0] ? arena_printf(s->h.arena, "%s%s%s", s->root, path[0] == '/' ? "" : "/", path) : path;
}

static void os_release(struct salt *s, struct value *grains)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct blob rest, line;

	if (read_file(AT_FDCWD, rooted(s, "/etc/os-release"), 1 << 16, &text) < 0)
		return;
	rest = strbuf_blob(&text);
	while (blob_token(&rest, '\n', &line)) {
		struct blob key, value = line;

		if (!blob_token(&value, '=', &key))
			continue;
		if (value.n > 1 && value.p[0] == '"')
			value = (struct blob){value.p + 1, value.n - 2};
		if (blob_eq_str(key, "ID")) {
			bool debian = blob_eq_str(value, "debian"), fedora = blob_eq_str(value, "fedora");

			map_set_str(&s->h, grains, "os", debian ? value_string(&s->h, "Debian")
							  : fedora ? value_string(&s->h, "Fedora")
								   : value_blob(&s->h, value));
			map_set_str(&s->h, grains, "os_family", value_string(&s->h, fedora ? "RedHat" : "Debian"));
		} else if (blob_eq_str(key, "VERSION_ID")) {
			map_set_str(&s->h, grains, "osrelease", value_blob(&s->h, value));
			map_set_str(&s->h, grains, "osmajorrelease", yaml_resolve(&s->h, value));
		} else if (blob_eq_str(key, "VERSION_CODENAME")) {
			map_set_str(&s->h, grains, "oscodename", value_blob(&s->h, value));
		}
	}
}

static void kernel_parameters(struct salt *s, struct value *grains)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct value *list = list_new(&s->h);
	struct blob rest, word;

	if (read_file(AT_FDCWD, rooted(s, "/proc/cmdline"), 1 << 16, &text) < 0)
		return;
	rest = strbuf_blob(&text);
	while (blob_word(&rest, &word)) {
		struct value *pair = list_new(&s->h);
		struct blob value = word, key;

		blob_token(&value, '=', &key);
		list_push(&s->h, pair, value_blob(&s->h, key));
		list_push(&s->h, pair, value_blob(&s->h, value));
		list_push(&s->h, list, pair);
	}
	map_set_str(&s->h, grains, "kernelparams", list);
}

const struct value *grains_gather(struct salt *s)
{
	struct value *grains = map_new(&s->h);
	struct utsname name;

	uname(&name);
	map_set_str(&s->h, grains, "id", value_string(&s->h, s->id));
	map_set_str(&s->h, grains, "kernel", value_string(&s->h, name.sysname));
	map_set_str(&s->h, grains, "kernelrelease", value_string(&s->h, name.release));
	map_set_str(&s->h, grains, "num_cpus", value_int(&s->h, sysconf(_SC_NPROCESSORS_ONLN)));
	map_set_str(&s->h, grains, "mem_total",
		    value_int(&s->h, sysconf(_SC_PHYS_PAGES) / 1024 * (sysconf(_SC_PAGESIZE) / 1024)));
	os_release(s, grains);
	kernel_parameters(s, grains);
	return grains;
}
