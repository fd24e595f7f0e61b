#include "builder/image/root_tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "builder/archive/tar_write.h"
#include "common/base/alloc.h"
#include "common/sys/file.h"

enum { CHUNK = 1 << 20 };

static void cleanup_archive(struct archive **a)
{
	archive_read_free(*a);
}

static void cleanup_tar_writer(struct tar_writer **w)
{
	tar_writer_free(*w);
}

static int fail(struct archive *a, const char *root_tar, struct error *err)
{
	const char *why = archive_error_string(a);

	return error_set(err, -EIO, root_tar, NULL, "cannot read: %s", why ? why : "unknown error");
}

static int open_tar(const char *root_tar, struct archive **out, struct error *err)
{
	*out = archive_read_new();
	if (!*out)
		return error_errno(err, -ENOMEM, root_tar, "cannot open");
	archive_read_support_format_tar(*out);
	if (archive_read_open_filename(*out, root_tar, CHUNK) != ARCHIVE_OK)
		return fail(*out, root_tar, err);
	return 0;
}

/* The next member and its path from '/' on, without a slash at the end. 1, 0 at the end, or -errno. */
static int next(struct archive *a, const char *root_tar, struct archive_entry **e, char **path,
		struct error *err)
{
	int r = archive_read_next_header(a, e);
	const char *name;
	size_t n;

	free(*path);
	*path = NULL;
	if (r == ARCHIVE_EOF)
		return 0;
	if (r != ARCHIVE_OK)
		return fail(a, root_tar, err);
	name = archive_entry_pathname(*e);
	if (!name || name[0] != '.' || (name[1] && name[1] != '/'))
		return error_set(err, -EBADMSG, root_tar, NULL, "holds a member '%s'",
				 name ? name : "");
	n = strlen(name);
	while (n > 2 && name[n - 1] == '/')
		n--;
	*path = n <= 2 && !name[1 + (n == 2)] ? xstrdup("/") : xstrndup(name + 1, n - 1);
	return 1;
}

/* "./x" below the folder, with '/' at the end for a folder. */
static char *name_below(const char *path, size_t skip, bool folder)
{
	const char *rest = path + skip;

	rest += *rest == '/';
	return xasprintf("./%s%s", rest, folder && *rest ? "/" : "");
}

static int copy_data(struct archive *a, const char *root_tar, struct tar_writer *w, int fd,
		     struct error *err)
{
	_cleanup_free_ char *buffer = xmalloc(CHUNK);

	for (;;) {
		la_ssize_t n = archive_read_data(a, buffer, CHUNK);
		int r;

		if (n == 0)
			return 0;
		if (n < 0)
			return fail(a, root_tar, err);
		r = w ? tar_writer_data(w, buffer, (size_t)n) : write_all(fd, buffer, (size_t)n);
		if (r < 0)
			return error_errno(err, r, root_tar, "cannot write a part of it");
	}
}

static char type_of(struct archive_entry *e)
{
	if (archive_entry_hardlink(e))
		return '1';
	switch (archive_entry_filetype(e)) {
	case AE_IFREG:
		return '0';
	case AE_IFLNK:
		return '2';
	case AE_IFDIR:
		return '5';
	case AE_IFIFO:
		return '6';
	default:
		return 0;
	}
}

static void capability_of(struct archive_entry *e, struct tar_member *m)
{
	const char *name;
	const void *value;
	size_t n;

	archive_entry_xattr_reset(e);
	while (archive_entry_xattr_next(e, &name, &value, &n) == ARCHIVE_OK)
		if (!strcmp(name, "security.capability")) {
			m->capability = value;
			m->capability_size = n;
		}
}

static bool lies_below(const char *path, const char *folder, size_t n)
{
	return !strncmp(path, folder, n) && (!path[n] || path[n] == '/');
}

static int copy_member(struct archive *a, struct archive_entry *e, const char *root_tar,
		       const char *path, const char *folder, struct tar_writer *w,
		       struct error *err)
{
	size_t skip = strlen(folder);
	struct tar_member m = {
		.type = type_of(e),
		.mode = archive_entry_perm(e),
		.uid = (uint32_t)archive_entry_uid(e),
		.gid = (uint32_t)archive_entry_gid(e),
		.mtime = archive_entry_mtime(e),
	};
	_cleanup_free_ char *name = name_below(path, skip, m.type == '5'), *link = NULL;
	int r;

	m.name = name;
	if (m.type == '0')
		m.size = (uint64_t)archive_entry_size(e);
	if (m.type == '2')
		m.link = archive_entry_symlink(e);
	if (m.type == '1') {
		const char *target = archive_entry_hardlink(e);

		if (target[0] != '.' || !lies_below(target + 1, folder, skip))
			return error_set(err, -EINVAL, path, "take a folder that holds both",
					 "is a hard link to %s, out of %s", target, folder);
		m.link = link = name_below(target + 1, skip, false);
	}
	if (!m.type)
		return error_set(err, -EINVAL, path, NULL, "is no file, folder, link or pipe");
	capability_of(e, &m);
	r = tar_writer_member(w, &m);
	if (r < 0)
		return error_errno(err, r, path, "cannot write");
	return m.type == '0' ? copy_data(a, root_tar, w, -1, err) : 0;
}

int root_tar_subtree(const char *root_tar, const char *folder, int out_fd, struct error *err)
{
	_cleanup_(cleanup_archive) struct archive *a = NULL;
	_cleanup_(cleanup_tar_writer) struct tar_writer *w = NULL;
	_cleanup_free_ char *path = NULL;
	struct archive_entry *e;
	bool found = false;
	size_t n = strlen(folder);
	int r = open_tar(root_tar, &a, err);

	if (r < 0)
		return r;
	w = tar_writer_new(out_fd);
	while ((r = next(a, root_tar, &e, &path, err)) > 0) {
		if (!lies_below(path, folder, n))
			continue;
		if (!strcmp(path, folder) && archive_entry_filetype(e) != AE_IFDIR)
			return error_set(err, -ENOTDIR, folder, NULL, "is no folder of the root");
		found = true;
		r = copy_member(a, e, root_tar, path, folder, w, err);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	if (!found)
		return error_set(err, -ENOENT, folder, NULL, "the root has no such folder");
	r = tar_writer_end(take_ptr(w));
	return r < 0 ? error_errno(err, r, folder, "cannot write") : 0;
}

int root_tar_file(const char *root_tar, const char *pattern, int out_fd, char **found,
		  struct error *err)
{
	_cleanup_(cleanup_archive) struct archive *a = NULL;
	_cleanup_free_ char *path = NULL, *first = NULL;
	struct archive_entry *e;
	int r = open_tar(root_tar, &a, err);

	if (r < 0)
		return r;
	while ((r = next(a, root_tar, &e, &path, err)) > 0) {
		if (fnmatch(pattern, path, FNM_PATHNAME | FNM_PERIOD))
			continue;
		if (archive_entry_hardlink(e) || archive_entry_filetype(e) != AE_IFREG)
			continue;
		if (first)
			return error_set(err, -EINVAL, pattern, "make the pattern narrower",
					 "matches %s and %s", first, path);
		first = xstrdup(path);
		r = copy_data(a, root_tar, NULL, out_fd, err);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	if (!first)
		return error_set(err, -ENOENT, pattern, "look at the package list and the pattern",
				 "no file of the root matches");
	if (found)
		*found = take_ptr(first);
	return 0;
}
