/* The framing of packages: an ar archive of two tars (deb(5)). */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "builder/archive/unpack.h"
#include "builder/archive/unpack_internal.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"

static la_ssize_t read_member(struct archive *inner, void *outer, const void **data)
{
	la_int64_t offset;
	size_t n;
	int r = archive_read_data_block(outer, data, &n, &offset);

	if (r == ARCHIVE_EOF)
		return 0;
	if (r < ARCHIVE_WARN) {
		archive_set_error(inner, EIO, "%s", archive_error_string(outer));
		return -1;
	}
	return (la_ssize_t)n;
}

static int next_ar_member(struct archive *ar, const char *label, const char **name,
			  struct error *err)
{
	struct archive_entry *e;
	int r = archive_read_next_header(ar, &e);

	if (r == ARCHIVE_EOF)
		return 0;
	if (r < ARCHIVE_WARN)
		return error_set(err, -EBADMSG, label, NULL, "%s", archive_error_string(ar));
	*name = archive_entry_pathname(e) ? archive_entry_pathname(e) : "";
	return 1;
}

/* deb(5): debian-binary with "2.x", then control.tar.*, then data.tar.*; members that begin with _
 * are skipped. */
static int find_ar_member(struct archive *ar, const char *label, const char *wanted,
			  struct error *err)
{
	char version[4] = "";
	const char *name;
	int r = next_ar_member(ar, label, &name, err);

	if (r < 0)
		return r;
	if (r == 0 || strcmp(name, "debian-binary") || archive_read_data(ar, version, 2) != 2 ||
	    strcmp(version, "2."))
		return error_set(err, -EBADMSG, label, NULL, "is no Debian package of format 2");
	while ((r = next_ar_member(ar, label, &name, err)) > 0)
		if (!strncmp(name, wanted, strlen(wanted)))
			return 0;
	return r < 0 ? r : error_set(err, -EBADMSG, label, NULL, "has no %s", wanted);
}

/* Opens the tar inside the ar member; both readers are the caller's, also after a failure. */
static int open_deb(int fd, const char *label, const char *wanted, struct archive *ar,
		    struct archive *inner, struct error *err)
{
	int r;

	archive_read_support_format_ar(ar);
	if (lseek(fd, 0, SEEK_SET) < 0 || archive_read_open_fd(ar, fd, UNPACK_READ_BLOCK) != ARCHIVE_OK)
		return error_set(err, -EBADMSG, label, NULL, "is no Debian package");
	r = find_ar_member(ar, label, wanted, err);
	if (r < 0)
		return r;
	if (archive_read_open(inner, ar, NULL, read_member, NULL) != ARCHIVE_OK)
		return error_set(err, -EBADMSG, label, NULL, "%s: %s", wanted,
				 archive_error_string(inner));
	return 0;
}

int unpack_deb_shared(int fd, int dirfd, const char *label, const struct unpack_limits *limits,
		      const struct unpack_shared *shared, struct error *err)
{
	const struct unpack_limits package = {.max_bytes = UINT64_C(8) << 30};
	struct archive *ar = archive_read_new(), *inner = unpack_reader();
	int r = open_deb(fd, label, "data.tar", ar, inner, err);

	if (r == 0)
		r = unpack_from(inner, dirfd, label, limits ? limits : &package, shared, err);
	archive_read_free(inner);
	archive_read_free(ar);
	return r;
}

int unpack_deb(int fd, int dirfd, const char *label, const struct unpack_limits *limits,
	       struct error *err)
{
	return unpack_deb_shared(fd, dirfd, label, limits, NULL, err);
}

void deb_control_free(struct deb_control *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->files[i].name);
		strbuf_free(&c->files[i].text);
	}
	c->n = 0;
}

const struct deb_control_file *deb_control_find(const struct deb_control *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->files[i].name, name))
			return &c->files[i];
	return NULL;
}

static int control_refuse(const char *label, const char *name, const char *why, struct error *err)
{
	_cleanup_free_ char *object = xasprintf("%s: control.tar: %s", label, name);

	return error_set(err, -EBADMSG, object, NULL, "%s", why);
}

static int read_control_file(struct archive *inner, const char *label, struct archive_entry *e,
			     struct deb_control *c, struct error *err)
{
	const char *raw = archive_entry_pathname(e), *why;
	_cleanup_free_ char *name = NULL;
	struct deb_control_file *f;
	size_t max = DEB_CONTROL_MAX;
	la_ssize_t n;

	why = unpack_clean_name(raw, &name);
	if (why)
		return control_refuse(label, raw ? raw : "", why, err);
	if (!*name && archive_entry_filetype(e) == AE_IFDIR)
		return 0;
	if (archive_entry_filetype(e) != AE_IFREG || archive_entry_hardlink(e) || strchr(name, '/'))
		return control_refuse(label, name, "is no plain file", err);
	if (deb_control_find(c, name))
		return control_refuse(label, name, "comes twice", err);
	if (c->n == DEB_CONTROL_FILES)
		return control_refuse(label, name, "one file more than are allowed", err);
	f = &c->files[c->n++];
	f->name = take_ptr(name);
	f->mode = archive_entry_perm(e);
	f->mtime = archive_entry_mtime(e);
	if (archive_entry_size(e) >= (la_int64_t)max)
		return control_refuse(label, f->name, "is too large", err);
	max = (size_t)archive_entry_size(e);
	n = archive_read_data(inner, strbuf_reserve(&f->text, max + 1), max);
	if (n < 0 || (size_t)n != max)
		return control_refuse(label, f->name, "is unreadable", err);
	f->text.n = (size_t)n;
	f->text.p[n] = '\0';
	return 0;
}

static int read_control_files(struct archive *inner, const char *label, struct deb_control *c,
			      struct error *err)
{
	struct archive_entry *e;
	int r;

	while ((r = archive_read_next_header(inner, &e)) == ARCHIVE_OK || r == ARCHIVE_WARN) {
		r = read_control_file(inner, label, e, c, err);
		if (r < 0)
			return r;
	}
	if (r != ARCHIVE_EOF)
		return error_set(err, -EBADMSG, label, NULL, "control.tar: %s",
				 archive_error_string(inner));
	return deb_control_find(c, "control")
		       ? 0
		       : error_set(err, -EBADMSG, label, NULL, "has no control file");
}

int deb_control_read(int fd, const char *label, struct deb_control *c, struct error *err)
{
	struct archive *ar = archive_read_new(), *inner = unpack_reader();
	int r = open_deb(fd, label, "control.tar", ar, inner, err);

	if (r == 0)
		r = read_control_files(inner, label, c, err);
	archive_read_free(inner);
	archive_read_free(ar);
	return r;
}

int unpack_deb_control(int fd, const char *label, struct strbuf *text, struct error *err)
{
	_cleanup_(deb_control_free) struct deb_control c = {0};
	int r = deb_control_read(fd, label, &c, err);

	if (r == 0) {
		const struct deb_control_file *f = deb_control_find(&c, "control");

		strbuf_add(text, f->text.p, f->text.n);
	}
	return r;
}
