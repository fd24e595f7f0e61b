#include "builder/root/direct/merge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/archive/unpack.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"

enum { SPECIAL_MAX = 4 << 20 };

struct merge_folder {
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

/* A name on its way: its folder on both sides. */
struct place {
	const struct staged *package;
	char *parent;	  /* that the descriptors are of */
	int from, to;	  /* to: -1 when the root has no such folder */
	const char *name; /* "usr/bin/x", "." for the root itself */
	const char *base; /* "x" */
	char *staged;	  /* as it lies in the stage: base, or base.dpkg-new */
	bool folder, conffile;
};

typedef int name_fn(const struct merge *m, struct place *p, bool plain, struct error *err);

static int fail(const struct place *p, int code, const char *doing, struct error *err)
{
	_cleanup_free_ char *object = xasprintf("%s: %s", p->package->label, p->name);

	return error_errno(err, code, object, doing);
}

static void place_end(struct place *p)
{
	if (p->from >= 0)
		close(p->from);
	if (p->to >= 0)
		close(p->to);
	free(p->parent);
	free(p->staged);
}

static int enter_parent(const struct merge *m, struct place *p, struct error *err)
{
	const char *slash = strrchr(p->name, '/');
	_cleanup_free_ char *parent =
		slash ? xstrndup(p->name, (size_t)(slash - p->name)) : xstrdup(".");
	_cleanup_free_ char *inside = xasprintf("files/%s", parent);

	p->base = slash ? slash + 1 : p->name;
	if (p->parent && p->to >= 0 && !strcmp(p->parent, parent))
		return 0;
	if (p->from >= 0)
		close(take_fd(&p->from));
	if (p->to >= 0)
		close(take_fd(&p->to));
	free(p->parent);
	p->parent = take_ptr(parent);
	p->from = open_within(p->package->fd, inside, O_PATH | O_DIRECTORY, RESOLVE_BENEATH);
	if (p->from < 0)
		return fail(p, p->from, "cannot open its staged folder", err);
	p->to = open_within(m->root, p->parent, O_PATH | O_DIRECTORY, RESOLVE_BENEATH);
	if (p->to < 0 && p->to != -ENOENT)
		return fail(p, p->to, "cannot open its folder", err);
	return 0;
}

static int enter(const struct merge *m, struct place *p, struct error *err)
{
	struct stat st;
	int r = enter_parent(m, p, err);

	if (r < 0)
		return r;
	free(p->staged);
	p->conffile = strmap_get(&p->package->staged, p->name) != NULL;
	p->staged = p->conffile ? xasprintf("%s" UNPACK_STAGED, p->base) : xstrdup(p->base);
	if (fstatat(p->from, p->staged, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(p, -errno, "is not where it was unpacked", err);
	p->folder = S_ISDIR(st.st_mode);
	return 0;
}

/* Calls fn for all names of the package; ends with the first result that is not 0. */
static int each_name(const struct merge *m, const struct staged *s, name_fn *fn, bool plain,
		     struct error *err)
{
	struct place p = {.package = s, .from = -1, .to = -1};
	struct blob rest = strbuf_blob(&s->names), line;
	int r = 0;

	while (r == 0 && blob_token(&rest, '\n', &line)) {
		_cleanup_free_ char *name =
			blob_dup((struct blob){line.p + 1, line.n ? line.n - 1 : 0});

		p.name = name;
		r = enter(m, &p, err);
		if (r == 0)
			r = fn(m, &p, plain, err);
	}
	place_end(&p);
	return r;
}

/* 1: it does not fit. */
static int check_fit(const struct merge *m, struct place *p, bool plain, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("/%s", p->name);
	struct stat st;
	int fd;

	(void)plain;
	if (strmap_get(&m->special, path))
		return 1;
	if (p->to < 0)
		return 0;
	if (fstatat(p->to, p->staged, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fail(p, -errno, "cannot look at", err);
	if (!p->folder)
		return 1;
	fd = open_within(p->to, p->base, O_PATH | O_DIRECTORY, RESOLVE_BENEATH);
	if (fd < 0 && S_ISLNK(st.st_mode))
		fd = open_within(m->root, p->name, O_PATH | O_DIRECTORY, RESOLVE_BENEATH);
	if (fd < 0)
		return 1;
	close(fd);
	return 0;
}

int merge_fits(const struct merge *m, const struct staged *s, struct error *err)
{
	int r = each_name(m, s, check_fit, false, err);

	return r < 0 ? r : r == 0;
}

static int set_attributes(const struct merge *m, const struct place *p, struct error *err)
{
	const struct merge_folder *f = strmap_get(&m->folders, p->name);
	_cleanup_close_ int fd = -1;

	if (!f)
		return fail(p, -EBADMSG, "a folder that was not noted", err);
	fd = openat(p->to, p->base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchown(fd, f->uid, f->gid) < 0 || fchmod(fd, f->mode) < 0)
		return fail(p, -errno, "cannot set owner and mode", err);
	return 0;
}

/* One that is there stays as it is; but for those that were made before any package came. */
static int merge_folder(const struct merge *m, const struct place *p, struct error *err)
{
	struct stat st;

	if (strcmp(p->name, ".") != 0 && mkdirat(p->to, p->base, 0700) == 0)
		return set_attributes(m, p, err);
	if (strcmp(p->name, ".") != 0 && errno != EEXIST)
		return fail(p, -errno, "cannot make the folder", err);
	if (!m->bare)
		return 0;
	if (fstatat(p->to, p->base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(p, -errno, "cannot look at", err);
	return S_ISDIR(st.st_mode) ? set_attributes(m, p, err) : 0;
}

static int merge_one(const struct merge *m, struct place *p, bool plain, struct error *err)
{
	const char *as = plain ? p->base : p->staged;

	if (p->to < 0)
		return fail(p, -ENOENT, "its folder does not come before it", err);
	if (!p->folder)
		return renameat(p->from, p->staged, p->to, as) < 0
			       ? fail(p, -errno, "cannot put it into the root", err)
			       : 0;
	return merge_folder(m, p, err);
}

int merge_files(const struct merge *m, const struct staged *s, bool plain, struct error *err)
{
	return each_name(m, s, merge_one, plain, err);
}

static bool parse_folder(struct blob line, struct merge_folder *f, struct blob *name)
{
	struct blob mode, uid, gid;
	uint64_t u, g;
	char *end;

	if (!blob_token(&line, ' ', &mode) || !blob_token(&line, ' ', &uid) ||
	    !blob_token(&line, ' ', &gid) || !blob_to_u64(uid, UINT32_MAX, &u) ||
	    !blob_to_u64(gid, UINT32_MAX, &g))
		return false;
	f->mode = (mode_t)strtoul(mode.p, &end, 8) & 07777;
	f->uid = (uid_t)u;
	f->gid = (gid_t)g;
	*name = line;
	return end == mode.p + mode.n;
}

int merge_note_folders(struct merge *m, const struct staged *s)
{
	struct blob rest = strbuf_blob(&s->folders), line, name;

	while (blob_token(&rest, '\n', &line)) {
		struct merge_folder *f = arena_alloc(m->arena, sizeof(*f));
		_cleanup_free_ char *key = NULL;

		if (!parse_folder(line, f, &name))
			return -EBADMSG;
		key = name.n ? blob_dup(name) : xstrdup(".");
		if (m->bare || !strmap_get(&m->folders, key))
			strmap_put(&m->folders, key, f);
	}
	return 0;
}

static void note_special(struct merge *m, struct blob path)
{
	_cleanup_free_ char *key = blob_dup(path);

	strmap_put(&m->special, key, m);
}

/* "diversions": lines from, to, package. "statoverride": lines "user group mode path". */
int merge_read_special(struct merge *m)
{
	_cleanup_strbuf_ struct strbuf diversions = {0}, overrides = {0};
	struct blob rest, line, word;
	int r = read_file(m->root, "var/lib/dpkg/diversions", SPECIAL_MAX, &diversions);

	if (r == 0 || r == -ENOENT)
		r = read_file(m->root, "var/lib/dpkg/statoverride", SPECIAL_MAX, &overrides);
	if (r < 0 && r != -ENOENT)
		return r;
	rest = strbuf_blob(&diversions);
	while (blob_token(&rest, '\n', &line))
		note_special(m, line);
	rest = strbuf_blob(&overrides);
	while (blob_token(&rest, '\n', &line))
		if (blob_word(&line, &word) && blob_word(&line, &word) && blob_word(&line, &word))
			note_special(m, blob_trim(line));
	return 0;
}

void merge_end(struct merge *m)
{
	strmap_free(&m->folders);
	strmap_free(&m->special);
	arena_free(m->arena);
}
