#include "builder/inspect/why.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "builder/package/package.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"

#define LISTS "./var/lib/dpkg/info/"

enum { CHUNK = 1 << 20, LIST_MAX = 16 << 20 };

struct search {
	struct graph *graph;
	struct image *image;
	struct arena *arena;
	const char *path;  /* as it lies in the root: "/usr/bin/x" */
	const char *alias; /* as a package may call it: "/bin/x"; NULL: the same */
	bool there;
	struct strv owners; /* packages whose list names it */
	struct reason *list;
	size_t n;
};

static void search_end(struct search *s)
{
	strv_free(&s->owners);
}

static void add(struct search *s, const char *kind, const char *name, const char *detail)
{
	if (s->n < WHY_MAX)
		s->list[s->n++] = (struct reason){kind, name, detail};
}

/* Of the folders that are links into /usr there is one name in a root, but packages use both. */
static void set_path(struct search *s, const char *path)
{
	static const char *const merged[] = {"/bin/", "/sbin/", "/lib/", "/lib64/"};
	_cleanup_free_ char *clean = xstrdup(path);
	size_t n = strlen(clean);

	while (n > 1 && clean[n - 1] == '/')
		clean[--n] = '\0';
	s->path = arena_strdup(s->arena, clean);
	for (size_t i = 0; i < sizeof(merged) / sizeof(merged[0]); i++) {
		if (blob_has_prefix(blob_of(clean), merged[i])) {
			s->alias = s->path;
			s->path = arena_printf(s->arena, "/usr%s", clean);
		} else if (blob_has_prefix(blob_of(clean), "/usr") &&
			   blob_has_prefix(blob_of(clean + 4), merged[i])) {
			s->alias = s->path + 4;
		}
	}
}

static bool names_it(const struct search *s, struct blob text)
{
	struct blob line;

	while (blob_token(&text, '\n', &line))
		if (blob_eq_str(line, s->path) || (s->alias && blob_eq_str(line, s->alias)))
			return true;
	return false;
}

static int read_list(struct search *s, struct archive *a, const char *name)
{
	int64_t size = LIST_MAX;
	_cleanup_strbuf_ struct strbuf text = {0};

	while (text.n < (size_t)size) {
		la_ssize_t n = archive_read_data(a, strbuf_reserve(&text, 65536), 65536);

		if (n < 0)
			return -EIO;
		if (n == 0)
			break;
		text.n += (size_t)n;
	}
	if (names_it(s, strbuf_blob(&text))) {
		/* "libc6:amd64.list" */
		size_t n = strcspn(name, ":");

		strv_pushf(&s->owners, "%.*s", (int)(name[n] ? n : strlen(name) - strlen(".list")), name);
	}
	return 0;
}

static int look_at(struct search *s, struct archive *a, struct archive_entry *e)
{
	struct blob name = blob_of(archive_entry_pathname(e));

	if (name.n && name.p[0] == '.') {
		struct blob member = {name.p + 1, name.n - 1};

		if (member.n > 1 && member.p[member.n - 1] == '/')
			member.n--;
		s->there |= blob_eq_str(member, s->path);
	}
	if (blob_has_prefix(name, LISTS) && blob_has_suffix(name, ".list"))
		return read_list(s, a, name.p + strlen(LISTS));
	return 0;
}

static void cleanup_archive(struct archive **a)
{
	archive_read_free(*a);
}

static int read_root(struct search *s, struct error *err)
{
	_cleanup_free_ char *tar = step_result(s->graph, s->image->root, "root.tar");
	_cleanup_(cleanup_archive) struct archive *a = archive_read_new();
	struct archive_entry *e;
	int r = ARCHIVE_OK;

	archive_read_support_format_tar(a);
	if (archive_read_open_filename(a, tar, CHUNK) != ARCHIVE_OK)
		return error_set(err, -EIO, tar, NULL, "cannot read: %s", archive_error_string(a));
	while (r == 0 && (r = archive_read_next_header(a, &e)) == ARCHIVE_OK)
		r = look_at(s, a, e);
	if (r != ARCHIVE_EOF)
		return error_set(err, -EIO, tar, NULL, "cannot read it to its end");
	if (s->there)
		return 0;
	return error_set(err, -ENOENT, s->path, NULL, "image %s has no such path", s->image->definition->name);
}

static void find_overlay(struct search *s)
{
	const struct definition *d = s->image->definition;
	_cleanup_free_ char *path = d->overlay ? xasprintf("%s/%s%s", d->folder, d->overlay, s->path) : NULL;

	if (path && faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		add(s, "overlay", arena_strdup(s->arena, path), "");
}

static const char *source_of(struct search *s, const char *package)
{
	_cleanup_free_ char *file = xasprintf("runtime/packages/%s.yaml", package);
	_cleanup_close_ int fd = open(s->graph->options->source_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *detail = arena_strdup(s->arena, file);
	struct package *p = NULL;

	if (package_read(fd, file, s->graph->options->version, &p, NULL) < 0)
		return detail;
	for (size_t i = 0; i < p->n_files; i++) {
		const struct package_file *f = &p->files[i];

		if (!strcmp(f->path, s->path))
			detail = arena_printf(s->arena, "%s: %s%s", file, f->kind == PACKAGE_BIN ? "program " : "",
					      f->source ? f->source : "an empty folder");
	}
	package_free(p);
	return detail;
}

static void find_package(struct search *s, const char *name)
{
	const struct lock_package *p = lock_find_package(s->image->lock, name);

	if (lock_has_local(s->image->lock, name))
		add(s, "our package", arena_strdup(s->arena, name), source_of(s, name));
	else
		add(s, "package", arena_strdup(s->arena, name),
		    p ? arena_printf(s->arena, "%s %s, sha256 %s", p->version, p->arch, p->sha256) : "");
}

/* No list names it: then a script did it, and the step tells which scripts it can have been. */
static void find_script(struct search *s)
{
	_cleanup_free_ char *base = NULL, *path = NULL;

	if (graph_resolve(s->graph, s->image->base, NULL) == 0 && s->image->base->present)
		base = step_result(s->graph, s->image->base, "root");
	path = base ? xasprintf("%s%s", base, s->path) : NULL;
	if (path && faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		add(s, "script", s->image->base->id, "dpkg or a script of a package made it while packages were installed");
	else
		add(s, "script", s->image->root->id,
		    path ? "a script of our packages or a trigger made it" : "dpkg or a script of a package made it");
}

static int why_root(struct search *s, struct error *err)
{
	int r = graph_resolve(s->graph, s->image->root, err);

	if (r < 0)
		return r;
	if (!s->image->root->present)
		return error_set(err, -ENOENT, s->image->definition->name, "build it first", "its root is not in the store");
	r = read_root(s, err);
	if (r < 0)
		return r;
	find_overlay(s);
	for (int ours = 1; ours >= 0; ours--)
		for (size_t i = 0; i < s->owners.n; i++)
			if (lock_has_local(s->image->lock, s->owners.v[i]) == (bool)ours)
				find_package(s, s->owners.v[i]);
	if (!s->n)
		find_script(s);
	return 0;
}

/* A medium is what its definition lists, and the boot loader. */
static int why_medium(struct search *s, struct error *err)
{
	const struct definition *d = s->image->definition;

	for (size_t i = 0; i < d->n_files; i++)
		if (!strcmp(d->files[i].path, s->path))
			add(s, strchr(d->files[i].source, '/') ? "result" : "file", d->files[i].source, d->path);
	return s->n ? 0
		    : error_set(err, -ENOENT, s->path, NULL,
				"is not listed in %s: no such path, or of the boot loader or the list of digests, which the "
				"writer adds",
				d->path);
}

int why(struct graph *g, struct image *image, const char *path, struct arena *a, struct reason list[WHY_MAX],
	size_t *n, struct error *err)
{
	_cleanup_(search_end) struct search s = {.graph = g, .image = image, .arena = a, .list = list};
	int r;

	if (*path != '/')
		return error_set(err, -EINVAL, path, NULL, "a path inside an image begins with '/'");
	if (image->root)
		set_path(&s, path);
	else
		s.path = path;
	r = image->root ? why_root(&s, err) : why_medium(&s, err);
	*n = s.n;
	return r;
}
