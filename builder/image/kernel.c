#include "builder/image/kernel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/strbuf.h"
#include "common/base/strmap.h"
#include "common/sys/file.h"

enum { LIST_MAX = 16 << 20, DEPTH_MAX = 64 };

#define MODULES "/usr/lib/modules"

int kernel_version(int root_fd, char **version, struct error *err)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_free_ char *found = NULL;
	int fd = open_within(root_fd, MODULES, O_RDONLY | O_DIRECTORY, RESOLVE_IN_ROOT);

	if (fd < 0)
		return error_errno(err, fd, MODULES, "cannot open the folder of the root");
	dir = fdopendir(fd);
	if (!dir)
		return error_errno(err, -errno, MODULES, "cannot read");
	for (struct dirent *e; (e = readdir(dir));) {
		_cleanup_free_ char *list = xasprintf("%s/modules.dep", e->d_name);

		if (e->d_name[0] == '.' ||
		    faccessat(dirfd(dir), list, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (found)
			return error_set(
				err, -EINVAL, MODULES, "keep one kernel package in the definition",
				"the root has several kernels, %s and %s", found, e->d_name);
		found = xstrdup(e->d_name);
	}
	if (!found)
		return error_set(err, -ENOENT, MODULES, "add a kernel package to the definition",
				 "the root has no kernel with a modules.dep");
	*version = take_ptr(found);
	return 0;
}

struct module {
	char *line; /* of modules.dep: "path: dependency dependency" */
	bool done, busy;
};

struct lists {
	struct strmap modules; /* name -> struct module */
	struct strmap builtin; /* name -> anything */
	struct strbuf dep, builtins, soft;
};

static void lists_free(struct lists *l)
{
	for (size_t i = 0; i < l->modules.cap; i++)
		if (l->modules.slots[i].key)
			free(l->modules.slots[i].value);
	strmap_free(&l->modules);
	strmap_free(&l->builtin);
	strbuf_free(&l->dep);
	strbuf_free(&l->builtins);
	strbuf_free(&l->soft);
}

/* "kernel/fs/ext4/ext4.ko.xz" -> "ext4", with '_' for '-'. */
static char *module_name(struct blob path)
{
	char *name, *dot;

	for (size_t i = path.n; i > 0; i--)
		if (path.p[i - 1] == '/') {
			path.p += i;
			path.n -= i;
			break;
		}
	name = blob_dup(path);
	dot = strchr(name, '.');
	if (dot)
		*dot = '\0';
	for (char *c = name; *c; c++)
		if (*c == '-')
			*c = '_';
	return name;
}

static int read_list(int root_fd, const char *version, const char *name, struct strbuf *out,
		     struct error *err)
{
	_cleanup_free_ char *path = xasprintf(MODULES "/%s/%s", version, name);
	_cleanup_close_ int fd = open_within(root_fd, path, O_RDONLY, RESOLVE_IN_ROOT);
	int r = fd < 0 ? fd : read_fd(fd, LIST_MAX, out);

	return r < 0 ? error_errno(err, r, path, "cannot read") : 0;
}

static int lists_read(int root_fd, const char *version, struct lists *l, struct error *err)
{
	struct blob rest, line;
	int r = read_list(root_fd, version, "modules.dep", &l->dep, err);

	if (!r)
		r = read_list(root_fd, version, "modules.builtin", &l->builtins, err);
	if (!r)
		r = read_list(root_fd, version, "modules.softdep", &l->soft, err);
	if (r < 0)
		return r;
	rest = strbuf_blob(&l->dep);
	while (blob_token(&rest, '\n', &line)) {
		struct blob all = line, path;
		struct module *m;
		_cleanup_free_ char *name = NULL;

		if (!blob_token(&all, ':', &path))
			continue;
		name = module_name(path);
		/* NUL-terminates the line in place: the buffer is ours and is not read as a whole again. */
		l->dep.p[line.p + line.n - l->dep.p] = '\0';
		m = xcalloc(1, sizeof(*m));
		m->line = l->dep.p + (line.p - l->dep.p);
		free(strmap_put(&l->modules, name, m));
	}
	rest = strbuf_blob(&l->builtins);
	while (blob_token(&rest, '\n', &line)) {
		_cleanup_free_ char *name = module_name(line);

		strmap_put(&l->builtin, name, l);
	}
	return 0;
}

static int visit(struct lists *l, const char *name, bool must, unsigned depth, struct strv *files,
		 struct error *err);

/*
 * "softdep ext4 pre: crypto-crc32c ..."; what it names may stand for several implementations: then the plain one is
 * taken, NAME_generic.
 */
static int visit_soft(struct lists *l, const char *name, unsigned depth, struct strv *files,
		      struct error *err)
{
	struct blob rest = strbuf_blob(&l->soft), line, word, of;
	int r = 0;

	while (!r && blob_token(&rest, '\n', &line)) {
		bool pre = false;
		_cleanup_free_ char *whose = NULL;

		if (!blob_word(&line, &word) || !blob_eq_str(word, "softdep") ||
		    !blob_word(&line, &of))
			continue;
		whose = module_name(of);
		if (strcmp(whose, name))
			continue;
		while (!r && blob_word(&line, &word)) {
			_cleanup_free_ char *wanted = NULL, *generic = NULL;

			if (blob_has_suffix(word, ":")) {
				pre = blob_eq_str(word, "pre:");
				continue;
			}
			if (!pre)
				continue;
			if (blob_has_prefix(word, "crypto-")) {
				word.p += strlen("crypto-");
				word.n -= strlen("crypto-");
			}
			wanted = module_name(word);
			generic = xasprintf("%s_generic", wanted);
			r = visit(l, strmap_get(&l->modules, wanted) ? wanted : generic, false,
				  depth + 1, files, err);
		}
	}
	return r;
}

static int visit(struct lists *l, const char *name, bool must, unsigned depth, struct strv *files,
		 struct error *err)
{
	struct module *m = strmap_get(&l->modules, name);
	struct blob rest, path, word;
	int r = 0;

	if (!m) {
		if (!must || strmap_get(&l->builtin, name))
			return 0;
		return error_set(err, -ENOENT, name, "correct `modules` in the definition",
				 "the kernel has no such module");
	}
	/* Soft dependencies may go in circles. */
	if (m->done || m->busy || depth > DEPTH_MAX)
		return 0;
	m->busy = true;
	rest = blob_of(m->line);
	blob_token(&rest, ':', &path);
	while (!r && blob_word(&rest, &word)) {
		_cleanup_free_ char *needs = module_name(word);

		r = visit(l, needs, true, depth + 1, files, err);
	}
	if (!r)
		r = visit_soft(l, name, depth, files, err);
	if (r < 0)
		return r;
	m->done = true;
	strv_push_take(files, blob_dup(path));
	return 0;
}

int kernel_modules_resolve(int root_fd, const char *version, const char *const *wanted,
			   struct strv *files, struct error *err)
{
	_cleanup_(lists_free) struct lists l = {0};
	int r = lists_read(root_fd, version, &l, err);

	for (; !r && *wanted; wanted++) {
		_cleanup_free_ char *name = module_name(blob_of(*wanted));

		r = visit(&l, name, true, 0, files, err);
	}
	return r;
}
