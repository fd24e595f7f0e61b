#include "builder/package/package.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/yaml.h"

static const char sysusers_folder[] = "/usr/lib/sysusers.d/";

void package_free(struct package *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_files; i++) {
		free(p->files[i].path);
		free(p->files[i].source);
		free(p->files[i].group);
	}
	free(p->files);
	free(p->name);
	free(p->version);
	free(p->architecture);
	free(p->description);
	strv_free(&p->depends);
	strv_free(&p->provides);
	strv_free(&p->conflicts);
	strv_free(&p->replaces);
	strv_free(&p->enable);
	strv_free(&p->groups);
	free(p);
}

void package_free_all(struct package **v)
{
	for (size_t i = 0; v && v[i]; i++)
		package_free(v[i]);
	free(v);
}

static void cleanup_package(struct package **p)
{
	package_free(*p);
}

/* deb-control(5): lower case, digits, "+-."; at least two, the first no sign. */
static bool name_valid(const char *name)
{
	return name && strlen(name) >= 2 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789+-.") == strlen(name) &&
	       !strchr("+-.", name[0]);
}

/* A value that can stand in a field of the control file: one line that is not empty. */
static bool field_valid(const char *text)
{
	if (!*text || *text == ' ')
		return false;
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return false;
	return true;
}

static bool path_valid(const char *path)
{
	struct blob rest, part;

	if (path[0] != '/' || !path[1] || !field_valid(path) || strlen(path) > 1000)
		return false;
	rest = blob_of(path + 1);
	while (blob_token(&rest, '/', &part))
		if (!part.n || blob_eq_str(part, ".") || blob_eq_str(part, ".."))
			return false;
	return path[strlen(path) - 1] != '/';
}

static int list_read(const struct yaml_node *root, const char *key, struct strv *out,
		     struct error *err)
{
	const struct yaml_node *list = yaml_get(root, key);

	if (!list)
		return 0;
	if (list->kind != YAML_LIST)
		return yaml_error(list, err, "%s must be a list", key);
	for (const struct yaml_node *n = list->first; n; n = n->next) {
		if (n->kind != YAML_SCALAR || !field_valid(n->text))
			return yaml_error(n, err, "%s: each must be a text of one line", key);
		strv_push(out, n->text);
	}
	return 0;
}

static int mode_read(const struct yaml_node *node, mode_t *mode, struct error *err)
{
	const struct yaml_node *n = yaml_get(node, "mode");
	unsigned long value;
	char *end;

	if (!n)
		return 0;
	errno = 0;
	value = n->kind == YAML_SCALAR ? strtoul(n->text, &end, 8) : 010000;
	if (value > 07777 || errno || *end || strlen(n->text) < 3)
		return yaml_error(n, err, "mode must be octal, as 0755");
	*mode = (mode_t)value;
	return 0;
}

/* One of bin, source, link, dir and tree says what the file is. */
static int file_read(const struct yaml_node *node, struct package_file *f, struct error *err)
{
	static const char *const keys[] = {"bin", "source", "link", "dir", "tree", "mode", "group", NULL};
	static const mode_t modes[] = {0755, 0644, 0777, 0755, 0644};
	const char *group = NULL;
	unsigned found = 0;
	int r;

	if (!path_valid(node->key))
		return yaml_error(node, err, "%s: must be an absolute path without '..'",
				  node->key);
	r = yaml_check_keys(node, keys, err);
	for (unsigned i = 0; i < sizeof(modes) / sizeof(*modes) && !r; i++) {
		const struct yaml_node *n = yaml_get(node, keys[i]);

		if (!n)
			continue;
		if (n->kind != YAML_SCALAR || !field_valid(n->text))
			return yaml_error(n, err, "%s must be a text", keys[i]);
		if (found++)
			break;
		f->kind = (enum package_file_kind)i;
		f->source = i == PACKAGE_DIR ? NULL : xstrdup(n->text);
		if ((i == PACKAGE_SOURCE || i == PACKAGE_TREE) && (n->text[0] == '/' || strstr(n->text, "..")))
			return yaml_error(n, err, "source must lie in the source tree");
		if (i == PACKAGE_BIN && strchr(n->text, '/'))
			return yaml_error(n, err, "bin must be the name of a program");
	}
	if (!r && found != 1)
		return yaml_error(node, err, "%s: needs one of bin, source, link, dir, tree", node->key);
	f->mode = modes[f->kind];
	if (!r)
		r = mode_read(node, &f->mode, err);
	if (!r)
		r = yaml_string(node, "group", &group, err);
	if (r < 0)
		return r;
	if (f->kind == PACKAGE_LINK && (group || yaml_get(node, "mode")))
		return yaml_error(node, err, "%s: a link has neither mode nor group", node->key);
	f->path = xstrdup(node->key);
	f->group = group ? xstrdup(group) : NULL;
	return 0;
}

static int file_compare(const void *a, const void *b)
{
	return strcmp(((const struct package_file *)a)->path,
		      ((const struct package_file *)b)->path);
}

static int files_read(const struct yaml_node *root, struct package *p, struct error *err)
{
	const struct yaml_node *map = yaml_get(root, "files");
	int r;

	if (!map)
		return 0;
	if (map->kind != YAML_MAP)
		return yaml_error(map, err, "files must map paths to where they come from");
	p->files = xcalloc(map->n + 1, sizeof(*p->files));
	for (const struct yaml_node *n = map->first; n; n = n->next) {
		r = file_read(n, &p->files[p->n_files++], err);
		if (r < 0)
			return r;
		if (blob_has_prefix(blob_of(n->key), sysusers_folder))
			p->sysusers = true;
	}
	qsort(p->files, p->n_files, sizeof(*p->files), file_compare);
	return 0;
}

static int fields_read(const struct yaml_node *root, struct package *p, struct error *err)
{
	const char *name = NULL, *description = NULL, *architecture = "amd64";
	int r = yaml_string(root, "name", &name, err);

	if (!r)
		r = yaml_string(root, "description", &description, err);
	if (!r)
		r = yaml_string(root, "architecture", &architecture, err);
	if (r < 0)
		return r;
	if (!name_valid(name))
		return yaml_error(root, err, "name is missing or not that of a package");
	if (!description || !field_valid(description))
		return yaml_error(root, err, "description is missing or more than a line");
	if (strcmp(architecture, "amd64") && strcmp(architecture, "all"))
		return yaml_error(root, err, "architecture must be amd64 or all");
	p->name = xstrdup(name);
	p->description = xstrdup(description);
	p->architecture = xstrdup(architecture);
	return 0;
}

int package_read(int dirfd, const char *path, const char *version, struct package **out,
		 struct error *err)
{
	static const char *const keys[] = {"name",     "architecture", "description", "depends",
					   "provides", "conflicts",    "replaces",    "files",
					   "enable",   "groups",       NULL};
	struct arena *a _cleanup_arena_ = arena_new();
	struct package *p _cleanup_(cleanup_package) = xcalloc(1, sizeof(*p));
	struct yaml_node *root;
	int r = yaml_load_file(a, dirfd, path, &root, err);

	if (!r)
		r = yaml_check_keys(root, keys, err);
	if (!r)
		r = fields_read(root, p, err);
	if (!r)
		r = list_read(root, "depends", &p->depends, err);
	if (!r)
		r = list_read(root, "provides", &p->provides, err);
	if (!r)
		r = list_read(root, "conflicts", &p->conflicts, err);
	if (!r)
		r = list_read(root, "replaces", &p->replaces, err);
	if (!r)
		r = list_read(root, "enable", &p->enable, err);
	if (!r)
		r = list_read(root, "groups", &p->groups, err);
	if (!r)
		r = files_read(root, p, err);
	if (r < 0)
		return r;
	p->version = xstrdup(version);
	if (p->groups.n)
		p->sysusers = true;
	if (p->sysusers)
		strv_push(&p->depends, "systemd | systemd-standalone-sysusers | systemd-sysusers");
	*out = take_ptr(p);
	return 0;
}

static void field_add(struct strbuf *out, const char *field, const struct strv *list)
{
	for (size_t i = 0; i < list->n; i++)
		strbuf_printf(out, "%s%s", i ? ", " : field, list->v[i]);
	if (list->n)
		strbuf_add_char(out, '\n');
}

void package_control_text(const struct package *p, struct strbuf *out)
{
	strbuf_printf(out, "Package: %s\nVersion: %s\nArchitecture: %s\n", p->name, p->version,
		      p->architecture);
	strbuf_add_str(
		out,
		"Maintainer: Bulkhead <bulkhead@localhost>\nSection: admin\nPriority: optional\n");
	field_add(out, "Depends: ", &p->depends);
	field_add(out, "Provides: ", &p->provides);
	field_add(out, "Conflicts: ", &p->conflicts);
	field_add(out, "Replaces: ", &p->replaces);
	strbuf_printf(out, "Description: %s\n", p->description);
}

int package_read_folder(int dirfd, const char *folder, const char *version, struct package ***out,
			size_t *n, struct error *err)
{
	struct strv names _cleanup_strv_ = {0};
	struct package **v;
	DIR *dir _cleanup_closedir_ = NULL;
	int fd = openat(dirfd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return error_errno(err, -errno, folder, "cannot open");
	for (struct dirent *e; (e = readdir(dir));)
		if (e->d_name[0] != '.' && blob_has_suffix(blob_of(e->d_name), ".yaml"))
			strv_push(&names, e->d_name);
	strv_sort(&names);
	v = xcalloc(names.n + 1, sizeof(*v));
	for (size_t i = 0; i < names.n && !r; i++) {
		char *path _cleanup_free_ = xasprintf("%s/%s", folder, names.v[i]);

		r = package_read(dirfd, path, version, &v[i], err);
		if (!r && !blob_eq(blob_of(v[i]->name),
				   (struct blob){names.v[i], strlen(names.v[i]) - 5}))
			r = error_set(err, -EINVAL, path, "rename the file", "holds package '%s'",
				      v[i]->name);
	}
	if (r < 0) {
		package_free_all(v);
		return r;
	}
	*n = names.n;
	*out = v;
	return 0;
}
