#include "builder/inspect/compare.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/build_info.h"
#include "builder/plain.h"
#include "builder/sandbox.h"
#include "builder/user.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"

enum { RECORD_MAX = 256 << 20, HEAD = 64 };

void compare_end(struct compare_side *s)
{
	strbuf_free(&s->build_info);
}

static int read_manifest(struct arena *a, const char *path, struct compare_side *s, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	int r = read_file(AT_FDCWD, path, RECORD_MAX, &text);

	if (r < 0)
		return error_errno(err, r, path, "cannot read");
	s->has_manifest = true;
	return manifest_parse(a, path, strbuf_blob(&text), &s->manifest, err);
}

static bool has_plain_lines(struct blob text)
{
	struct blob line, piece;

	while (blob_token(&text, '\n', &line))
		while (blob_token(&line, '\t', &piece))
			if (!text_is_plain(piece))
				return false;
	return true;
}

static int read_build_info(const char *path, struct compare_side *s, struct error *err)
{
	int r = read_file(AT_FDCWD, path, RECORD_MAX, &s->build_info);

	if (r < 0)
		return error_errno(err, r, path, "cannot read");
	return build_info_is(strbuf_blob(&s->build_info)) && has_plain_lines(strbuf_blob(&s->build_info))
		       ? 0
		       : error_set(err, -EBADMSG, path, NULL, "is no build info");
}

static int read_folder(struct arena *a, const char *path, struct compare_side *s, struct error *err)
{
	_cleanup_free_ char *manifest = xasprintf("%s/manifest", path), *info = xasprintf("%s/build-info", path);
	bool records = faccessat(AT_FDCWD, info, F_OK, 0) == 0;

	if (!records) {
		s->has_manifest = true;
		return manifest_of_folder(a, path, &s->manifest, err);
	}
	if (faccessat(AT_FDCWD, manifest, F_OK, 0) == 0) {
		int r = read_manifest(a, manifest, s, err);

		if (r < 0)
			return r;
	}
	return read_build_info(info, s, err);
}

struct archive_job {
	const char *path;
	int archive, manifest;
};

/* In the sandbox; what is not freed ends with the process. */
static int list_archive(void *arg, struct error *err)
{
	const struct archive_job *job = arg;
	struct strbuf text = {0};
	struct manifest m;
	int r = manifest_of_archive_fd(arena_new(), job->archive, job->path, &m, err);

	if (r < 0)
		return r;
	manifest_format(&m, &text);
	r = write_all(job->manifest, text.p, text.n);
	return r < 0 ? error_errno(err, r, job->path, "cannot hand its list over") : 0;
}

/* Anybody's archive is read where nothing is in reach; its list is checked like any other manifest. */
static int read_archive(struct arena *a, const char *path, int fd, struct compare_side *s, struct error *err)
{
	const struct sandbox sb = {0};
	_cleanup_close_ int list = memfd_create("manifest", MFD_CLOEXEC);
	struct archive_job job = {path, fd, list};
	_cleanup_strbuf_ struct strbuf text = {0};
	int r;

	if (list < 0)
		return error_errno(err, -errno, path, "memfd");
	if ((r = user_become_root(USER_OWN_ID, err)) < 0 || (r = sandbox_call(&sb, list_archive, &job, err)) < 0)
		return r;
	r = lseek(list, 0, SEEK_SET) < 0 ? -errno : read_fd(list, RECORD_MAX, &text);
	if (r < 0)
		return error_errno(err, r, path, "cannot take its list over");
	s->has_manifest = true;
	return manifest_parse(a, path, strbuf_blob(&text), &s->manifest, err);
}

static int read_any_file(struct arena *a, const char *path, int fd, struct compare_side *s, struct error *err)
{
	char head[HEAD];
	ssize_t n = pread(fd, head, sizeof(head), 0);
	struct blob start = {head, n > 0 ? (size_t)n : 0};

	if (n < 0)
		return error_errno(err, -errno, path, "cannot read");
	if (manifest_is(start))
		return read_manifest(a, path, s, err);
	if (build_info_is(start))
		return read_build_info(path, s, err);
	return read_archive(a, path, fd, s, err);
}

int compare_read(struct arena *a, const char *path, struct compare_side *s, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	*s = (struct compare_side){.path = path};
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, -errno, path, "cannot open");
	return S_ISDIR(st.st_mode) ? read_folder(a, path, s, err) : read_any_file(a, path, fd, s, err);
}

struct result {
	struct arena *arena;
	struct differences *out;
	size_t cap;
};

static void add(struct result *r, char sign, const char *where, const char *what)
{
	struct differences *d = r->out;

	if (d->n == r->cap) {
		struct difference *list = arena_alloc(r->arena, (r->cap ? 2 * r->cap : 64) * sizeof(*list));

		if (d->n)
			memcpy(list, d->list, d->n * sizeof(*list));
		d->list = list;
		r->cap = r->cap ? 2 * r->cap : 64;
	}
	d->list[d->n++] = (struct difference){sign, where, what};
}

static void add_change(struct strbuf *text, const char *name, const char *from, const char *to)
{
	if (strcmp(from, to) != 0)
		strbuf_printf(text, "%s%s %s -> %s", text->n ? ", " : "", name, *from ? from : "none", *to ? to : "none");
}

static void compare_entries(struct result *r, const struct manifest_entry *one, const struct manifest_entry *two)
{
	_cleanup_strbuf_ struct strbuf text = {0};

	add_change(&text, "kind", (char[]){one->kind, 0}, (char[]){two->kind, 0});
	add_change(&text, "mode", one->mode, two->mode);
	add_change(&text, "owner", one->owner, two->owner);
	if (one->kind == 'f' && two->kind == 'f' && strcmp(one->content, two->content) != 0)
		strbuf_printf(&text, "%scontent", text.n ? ", " : "");
	if (one->kind == 'l' && two->kind == 'l')
		add_change(&text, "target", one->content, two->content);
	add_change(&text, "capabilities", one->more, two->more);
	if (text.n)
		add(r, '~', one->path, arena_strdup(r->arena, text.p));
}

static void compare_manifests(struct result *r, const struct manifest *one, const struct manifest *two)
{
	size_t i = 0, j = 0;

	while (i < one->n || j < two->n) {
		int order = i == one->n ? 1 : j == two->n ? -1 : strcmp(one->list[i].path, two->list[j].path);

		if (order == 0)
			compare_entries(r, &one->list[i++], &two->list[j++]);
		else if (order < 0)
			add(r, '-', one->list[i++].path, "");
		else
			add(r, '+', two->list[j++].path, "");
	}
}

int compare_sides(struct arena *a, const struct compare_side *one, const struct compare_side *two,
		  struct differences *out, struct error *err)
{
	struct result r = {.arena = a, .out = out};
	_cleanup_strv_ struct strv inputs = {0};

	*out = (struct differences){0};
	if (!(one->has_manifest && two->has_manifest) && !(one->build_info.n && two->build_info.n))
		return error_set(err, -EINVAL, two->path, "give two of the same kind",
				 "cannot be compared with %s: one is a manifest, the other a build-info", one->path);
	if (one->build_info.n && two->build_info.n)
		build_info_differences(strbuf_blob(&one->build_info), strbuf_blob(&two->build_info), &inputs);
	for (size_t i = 0; i < inputs.n; i++)
		add(&r, '*', "", arena_strdup(a, inputs.v[i]));
	if (one->has_manifest && two->has_manifest)
		compare_manifests(&r, &one->manifest, &two->manifest);
	return 0;
}
