#include "builder/package/stage.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/hash.h"

enum { FILE_MAX = 256 << 20, MD5_BYTES = 16 };

#define UNITS "/usr/lib/systemd/system/"
#define SYSUSERS "/usr/lib/sysusers.d/"
#define LIBRARIES "/usr/lib/x86_64-linux-gnu/"

struct state {
	const struct package_stage *stage;
	const struct package *package;
	int fd; /* of the tree */
	struct strbuf md5sums, conffiles;
	uint64_t bytes;
	bool libraries; /* brings some where ldconfig(8) looks */
};

/* Folders above `path` (relative), each 0755 whatever the umask is. */
static int make_parents(int fd, const char *path)
{
	_cleanup_free_ char *copy = xstrdup(path);

	for (char *slash = strchr(copy, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdirat(fd, copy, 0755) == 0) {
			if (fchmodat(fd, copy, 0755, 0) < 0)
				return -errno;
		} else if (errno != EEXIST) {
			return -errno;
		}
		*slash = '/';
	}
	return 0;
}

static int put_file(struct state *s, const char *path, const void *data, size_t n, mode_t mode)
{
	int r = make_parents(s->fd, path + 1);

	if (!r)
		r = faccessat(s->fd, path + 1, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? -EEXIST : 0;
	if (!r)
		r = write_file(s->fd, path + 1, data, n, 0600);
	if (!r && fchmodat(s->fd, path + 1, mode, 0) < 0)
		r = -errno;
	return r;
}

static void add_md5(struct state *s, const char *path, const void *data, size_t n)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char hex[2 * MD5_BYTES + 1] = "";

	if (EVP_Digest(data, n, digest, NULL, EVP_md5(), NULL) == 1)
		hex_encode(digest, MD5_BYTES, hex);
	strbuf_printf(&s->md5sums, "%s  %s\n", hex, path + 1);
}

static bool is_library(const char *path)
{
	const char *name = strrchr(path, '/') + 1;

	return (size_t)(name - path) == strlen(LIBRARIES) && !strncmp(path, LIBRARIES, strlen(LIBRARIES)) && strstr(name, ".so");
}

/* A file of the package: its digest goes to md5sums, or its name to conffiles. */
static int add_data(struct state *s, const char *path, struct blob data, mode_t mode, struct error *err)
{
	int r = put_file(s, path, data.p, data.n, mode);

	if (r < 0)
		return error_errno(err, r, path, "cannot put into the package");
	if (!strncmp(path, "/etc/", 5))
		strbuf_printf(&s->conffiles, "%s\n", path);
	else
		add_md5(s, path, data.p, data.n);
	s->bytes += (data.n + 1023) & ~(uint64_t)1023;
	s->libraries |= is_library(path);
	return 0;
}

static int add_link(struct state *s, const char *path, const char *target, struct error *err)
{
	int r = make_parents(s->fd, path + 1);

	if (!r && symlinkat(target, s->fd, path + 1) < 0)
		r = -errno;
	return r < 0 ? error_errno(err, r, path, "cannot put the link into the package") : 0;
}

static int add_dir(struct state *s, const char *path, mode_t mode, struct error *err)
{
	int r = make_parents(s->fd, path + 1);

	if (!r && mkdirat(s->fd, path + 1, mode) < 0 && errno != EEXIST)
		r = -errno;
	if (!r && fchmodat(s->fd, path + 1, mode, 0) < 0)
		r = -errno;
	return r < 0 ? error_errno(err, r, path, "cannot put the folder into the package") : 0;
}

static int read_source(const struct state *s, const struct package_file *f, struct strbuf *data, struct error *err)
{
	const char *folder = f->kind == PACKAGE_BIN  ? s->stage->bin_dir :
			     f->kind == PACKAGE_PAGE ? s->stage->man_dir :
						       s->stage->source_root;
	_cleanup_free_ char *from = xasprintf("%s/%s", folder, f->source);
	int r = read_file(AT_FDCWD, from, FILE_MAX, data);

	if (r == -ENOENT && f->kind == PACKAGE_BIN)
		return error_set(err, r, f->path, "name it in XEN_BINS", "`make xen` builds no program '%s'", f->source);
	return r < 0 ? error_set(err, r, f->path, NULL, "cannot read %s: %s", f->source, strerror(-r)) : 0;
}

static int add_file(struct state *s, const struct package_file *f, struct error *err);
static int add_tree(struct state *s, const struct package_file *tree, const char *below, struct error *err);

/* An entry of a tree is a file as if it stood in the description, or a folder with more of them. */
static int add_tree_entry(struct state *s, const struct package_file *tree, const char *below, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("%s%s", tree->path, below), *source = xasprintf("%s%s", tree->source, below);
	_cleanup_free_ char *from = xasprintf("%s/%s", s->stage->source_root, source);
	struct package_file f = {.path = path, .source = source, .mode = tree->mode, .kind = PACKAGE_SOURCE};
	struct stat st;

	if (lstat(from, &st) < 0)
		return error_errno(err, -errno, from, "cannot read");
	if (S_ISDIR(st.st_mode))
		return add_tree(s, tree, below, err);
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, from, "name it in `files` by itself", "is neither a file nor a folder");
	return add_file(s, &f, err);
}

static int add_tree(struct state *s, const struct package_file *tree, const char *below, struct error *err)
{
	_cleanup_free_ char *from = xasprintf("%s/%s%s", s->stage->source_root, tree->source, below);
	_cleanup_closedir_ DIR *dir = opendir(from);
	_cleanup_strv_ struct strv names = {0};
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return error_errno(err, -errno, from, "cannot read");
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			strv_pushf(&names, "%s/%s", below, entry->d_name);
	strv_sort(&names);
	for (size_t i = 0; i < names.n && !r; i++)
		r = add_tree_entry(s, tree, names.v[i], err);
	return r;
}

static int add_file(struct state *s, const struct package_file *f, struct error *err)
{
	_cleanup_strbuf_ struct strbuf data = {0};
	int r;

	switch (f->kind) {
	case PACKAGE_LINK:
		return add_link(s, f->path, f->source, err);
	case PACKAGE_DIR:
		return add_dir(s, f->path, f->mode, err);
	case PACKAGE_TREE:
		return add_tree(s, f, "", err);
	case PACKAGE_BIN:
	case PACKAGE_SOURCE:
	case PACKAGE_PAGE:
		break;
	}
	r = read_source(s, f, &data, err);
	return r < 0 ? r : add_data(s, f->path, strbuf_blob(&data), f->mode, err);
}

/* Debian's policy: each package says under which terms it comes. */
static int add_copyright(struct state *s, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("/usr/share/doc/%s/copyright", s->package->name);
	char source[] = "runtime/packages/copyright";
	struct package_file f = {.path = path, .source = source, .mode = 0644, .kind = PACKAGE_SOURCE};

	return add_file(s, &f, err);
}

/* A program that lies in two folders has one page. */
static int add_page(struct state *s, const struct package_file *program, struct error *err)
{
	struct package_file page;
	int r = 0;

	if (!package_page(s->stage->man_dir, program, &page))
		return 0;
	if (faccessat(s->fd, page.path + 1, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		r = add_file(s, &page, err);
	free(page.path);
	free(page.source);
	return r;
}

static const struct package_file *find_file(const struct package *p, const char *path)
{
	for (size_t i = 0; i < p->n_files; i++)
		if (!strcmp(p->files[i].path, path))
			return &p->files[i];
	return NULL;
}

/* An instance "x@y.service" is enabled by the file "x@.service". */
static char *unit_file(const char *unit)
{
	const char *at = strchr(unit, '@'), *dot = strrchr(unit, '.');

	return at && dot && dot > at ? xasprintf(UNITS "%.*s%s", (int)(at + 1 - unit), unit, dot) :
				       xasprintf(UNITS "%s", unit);
}

static int enable_unit(struct state *s, const char *unit, struct error *err)
{
	_cleanup_free_ char *path = unit_file(unit);
	_cleanup_strbuf_ struct strbuf text = {0};
	_cleanup_strv_ struct strv links = {0};
	const struct package_file *f = find_file(s->package, path);
	int r;

	if (!f || f->kind != PACKAGE_SOURCE)
		return error_set(err, -EINVAL, unit, "add it to `files`", "is enabled, but the package has no %s", path);
	r = read_source(s, f, &text, err);
	if (r < 0)
		return r;
	unit_install_links(unit, strbuf_blob(&text), &links);
	if (!links.n)
		return error_set(err, -EINVAL, unit, "add WantedBy= to its [Install]",
				 "is enabled, but does not say by what it is wanted");
	for (size_t i = 0; i < links.n && !r; i += 2)
		r = add_link(s, links.v[i], links.v[i + 1], err);
	return r;
}

/* sysusers.d(5) for `groups`: "qubes" or "qubes:98". */
static int add_groups(struct state *s, struct error *err)
{
	_cleanup_free_ char *path = xasprintf(SYSUSERS "%s.conf", s->package->name);
	_cleanup_strbuf_ struct strbuf text = {0};

	for (size_t i = 0; i < s->package->groups.n; i++) {
		struct blob rest = blob_of(s->package->groups.v[i]), name, id;

		blob_token(&rest, ':', &name);
		if (!blob_token(&rest, ':', &id))
			id = BLOB("-");
		strbuf_printf(&text, "g %.*s %.*s\n", BLOB_ARG(name), BLOB_ARG(id));
	}
	return text.n ? add_data(s, path, strbuf_blob(&text), 0644, err) : 0;
}

static void add_chgrp(const struct package_file *f, struct strbuf *script)
{
	strbuf_printf(script, "\tchgrp -h %s '%s'\n", f->group, f->path);
	/* chgrp drops these bits. */
	if (f->mode & 06000)
		strbuf_printf(script, "\tchmod %04o '%s'\n", (unsigned)f->mode, f->path);
}

static int add_postinst(struct state *s, struct error *err)
{
	const struct package *p = s->package;
	_cleanup_strbuf_ struct strbuf script = {0};
	int r;

	if (p->sysusers) {
		strbuf_add_str(&script, "\tsystemd-sysusers");
		if (p->groups.n)
			strbuf_printf(&script, " %s.conf", p->name);
		for (size_t i = 0; i < p->n_files; i++)
			if (!strncmp(p->files[i].path, SYSUSERS, strlen(SYSUSERS)))
				strbuf_printf(&script, " %s", p->files[i].path + strlen(SYSUSERS));
		strbuf_add_char(&script, '\n');
	}
	for (size_t i = 0; i < p->n_files; i++)
		if (p->files[i].group)
			add_chgrp(&p->files[i], &script);
	if (!script.n)
		return 0;

	_cleanup_free_ char *text = xasprintf("#!/bin/sh\nset -e\nif [ \"$1\" = configure ]; then\n%sfi\n", script.p);

	r = put_file(s, "/DEBIAN/postinst", text, strlen(text), 0755);
	return r < 0 ? error_errno(err, r, "postinst", "cannot write") : 0;
}

static int add_control(struct state *s, struct error *err)
{
	static const char triggers[] = "activate-noawait ldconfig\n";
	_cleanup_strbuf_ struct strbuf control = {0};
	int r;

	package_control_text(s->package, &control);
	strbuf_printf(&control, "Installed-Size: %llu\n", (unsigned long long)(s->bytes / 1024));
	r = put_file(s, "/DEBIAN/control", control.p, control.n, 0644);
	if (!r && s->md5sums.n)
		r = put_file(s, "/DEBIAN/md5sums", s->md5sums.p, s->md5sums.n, 0644);
	if (!r && s->conffiles.n)
		r = put_file(s, "/DEBIAN/conffiles", s->conffiles.p, s->conffiles.n, 0644);
	if (!r && s->libraries)
		r = put_file(s, "/DEBIAN/triggers", triggers, strlen(triggers), 0644);
	return r < 0 ? error_errno(err, r, "DEBIAN", "cannot write") : 0;
}

int package_stage(const struct package_stage *stage, const struct package *p, struct error *err)
{
	_cleanup_close_ int fd = open(stage->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct state s = {.stage = stage, .package = p, .fd = fd};
	int r = fd < 0 ? error_errno(err, -errno, stage->dir, "cannot open") : 0;

	if (!r && fchmod(fd, 0755) < 0)
		r = error_errno(err, -errno, stage->dir, "cannot set the mode");
	for (size_t i = 0; i < p->n_files && !r; i++)
		r = add_file(&s, &p->files[i], err);
	for (size_t i = 0; i < p->n_files && !r; i++)
		r = add_page(&s, &p->files[i], err);
	if (!r)
		r = add_copyright(&s, err);
	for (size_t i = 0; i < p->enable.n && !r; i++)
		r = enable_unit(&s, p->enable.v[i], err);
	if (!r)
		r = add_groups(&s, err);
	if (!r)
		r = add_postinst(&s, err);
	if (!r)
		r = add_control(&s, err);
	if (r < 0)
		error_prefix(err, p->name);
	strbuf_free(&s.md5sums);
	strbuf_free(&s.conffiles);
	return r;
}
