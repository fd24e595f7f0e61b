#include "builder/archive/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "builder/archive/unpack_internal.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/base/strmap.h"
#include "common/base/strv.h"
#include "common/sys/file.h"

enum { NAME_LIMIT = 4000 };

/* Directories get their times at the end, when nothing is put into them any more. */
struct folder_time {
	char *name;
	int64_t mtime;
	long nsec;
};

struct unpack {
	struct archive *in;
	const char *label;
	struct error *err;
	int root;
	uint64_t bytes_left, members_left;
	struct strmap seen; /* names that were written, directories apart */
	char *parent;	    /* name of the folder that parent_fd is */
	int parent_fd;
	struct folder_time *times;
	size_t n_times;
	const struct unpack_shared *shared; /* NULL: the folder is this archive's alone */
};

static void unpack_free(struct unpack *u)
{
	for (size_t i = 0; i < u->n_times; i++)
		free(u->times[i].name);
	free(u->times);
	free(u->parent);
	if (u->parent_fd >= 0)
		close(u->parent_fd);
	strmap_free(&u->seen);
}

static int refuse(struct unpack *u, const char *name, const char *why)
{
	_cleanup_free_ char *object = xasprintf("%s: %s", u->label, name);

	return error_set(u->err, -EBADMSG, object, NULL, "%s", why);
}

static int fail(struct unpack *u, const char *name, int code, const char *doing)
{
	_cleanup_free_ char *object = xasprintf("%s: %s", u->label, name);

	return error_errno(u->err, code, object, doing);
}

/* Why the name is not acceptable, or NULL; the clean name ("usr/bin/x", "" for the root) goes to
 * *clean. */
const char *unpack_clean_name(const char *name, char **clean)
{
	_cleanup_strbuf_ struct strbuf out = {0};
	struct blob rest = blob_of(name), part;

	if (!name || !*name)
		return "a member without a name";
	if (*name == '/')
		return "an absolute name";
	if (rest.n > NAME_LIMIT)
		return "a name longer than 4000 bytes";
	while (blob_token(&rest, '/', &part)) {
		if (blob_eq_str(part, ".."))
			return "a name with '..'";
		if (!part.n || blob_eq_str(part, "."))
			continue;
		if (out.n)
			strbuf_add_char(&out, '/');
		strbuf_add(&out, part.p, part.n);
	}
	*clean = strbuf_steal(&out);
	return NULL;
}

/* The folder of `name`, and its last part in *base. The descriptor stays ours. */
static int open_parent(struct unpack *u, const char *name, const char **base)
{
	const char *slash = strrchr(name, '/');
	_cleanup_free_ char *folder = slash ? xstrndup(name, (size_t)(slash - name)) : xstrdup(".");
	int fd;

	*base = slash ? slash + 1 : name;
	if (u->parent && !strcmp(u->parent, folder))
		return u->parent_fd;
	fd = open_within(u->root, folder, O_PATH | O_DIRECTORY, RESOLVE_BENEATH);
	if (fd == -EXDEV || fd == -ELOOP)
		return refuse(u, name, "writes through a link that leaves the root");
	if (fd < 0)
		return fail(u, name, fd, "cannot open its folder");
	if (u->parent_fd >= 0)
		close(u->parent_fd);
	free(u->parent);
	u->parent = take_ptr(folder);
	u->parent_fd = fd;
	return fd;
}

static void remember_time(struct unpack *u, char *name, struct archive_entry *e)
{
	if (u->n_times % 256 == 0)
		u->times = xreallocarray(u->times, u->n_times + 256, sizeof(*u->times));
	u->times[u->n_times++] =
		(struct folder_time){name, archive_entry_mtime(e), archive_entry_mtime_nsec(e)};
}

static int set_times(struct unpack *u)
{
	for (size_t i = u->n_times; i-- > 0;) {
		const struct folder_time *t = &u->times[i];
		const struct timespec times[2] = {{t->mtime, t->nsec}, {t->mtime, t->nsec}};
		_cleanup_close_ int fd =
			open_within(u->root, *t->name ? t->name : ".", O_RDONLY | O_DIRECTORY, RESOLVE_BENEATH);

		if (fd < 0 || futimens(fd, times) < 0)
			return fail(u, t->name, fd < 0 ? fd : -errno, "cannot set its time");
	}
	return 0;
}

/* Into a shared root: only made here. Whose owner and mode it gets is for the caller to say. */
static int share_folder(struct unpack *u, int parent, const char *base, const char *name,
			struct archive_entry *e)
{
	_cleanup_close_ int fd = -1;

	strbuf_printf(u->shared->folders, "%o %lld %lld %s\n", (unsigned)archive_entry_perm(e),
		      (long long)archive_entry_uid(e), (long long)archive_entry_gid(e), name);
	if (!*name || mkdirat(parent, base, 0755) == 0)
		return 0;
	if (errno != EEXIST)
		return fail(u, name, -errno, "cannot make the folder");
	fd = open_within(u->root, name, O_PATH | O_DIRECTORY, RESOLVE_BENEATH);
	return fd < 0 ? refuse(u, name, "a folder where something else is, or a link that leaves the root")
		      : 0;
}

static int make_folder(struct unpack *u, int parent, const char *base, const char *name,
		       struct archive_entry *e)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (*name && mkdirat(parent, base, 0700) < 0) {
		if (errno != EEXIST)
			return fail(u, name, -errno, "cannot make the folder");
		/* A link to a folder stays what it is (deb-spec: /lib of older packages on a merged
		 * /usr). */
		if (fstatat(parent, base, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode)) {
			fd = open_within(u->root, name, O_PATH | O_DIRECTORY, RESOLVE_BENEATH);
			return fd < 0 ? refuse(u, name,
					       "a folder where a link that leads elsewhere is")
				      : 0;
		}
	}
	fd = *name ? openat(parent, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
		   : dup(u->root);
	if (fd < 0)
		return fail(u, name, -errno, "is no folder");
	if (fchown(fd, (uid_t)archive_entry_uid(e), (gid_t)archive_entry_gid(e)) < 0 ||
	    fchmod(fd, archive_entry_perm(e)) < 0)
		return fail(u, name, -errno, "cannot set owner and mode");
	remember_time(u, xstrdup(name), e);
	return 0;
}

static int copy_data(struct unpack *u, const char *name, int fd)
{
	const void *data;
	size_t n;
	la_int64_t offset, at = 0;

	for (;;) {
		int r = archive_read_data_block(u->in, &data, &n, &offset);

		if (r == ARCHIVE_EOF)
			return 0;
		if (r < ARCHIVE_WARN || offset != at)
			return refuse(u, name,
				      archive_error_string(u->in) ? archive_error_string(u->in)
								  : "is sparse");
		if (n > u->bytes_left)
			return refuse(u, name, "the archive holds more than is allowed");
		u->bytes_left -= n;
		at += (la_int64_t)n;
		r = write_all(fd, data, n);
		if (r < 0)
			return fail(u, name, r, "cannot write");
	}
}

static int set_xattrs(struct unpack *u, const char *name, int fd, struct archive_entry *e)
{
	const char *key;
	const void *value;
	size_t n;

	archive_entry_xattr_reset(e);
	while (archive_entry_xattr_next(e, &key, &value, &n) == ARCHIVE_OK) {
		if (strcmp(key, "security.capability"))
			return refuse(u, name, "an extended attribute that is no file capability");
		if (fsetxattr(fd, key, value, n, 0) < 0)
			return fail(u, name, -errno, "cannot set file capabilities");
	}
	return 0;
}

/* In a shared root nothing gives way; the same link twice is fine (those of the merged /usr). 1: it
 * is there already. */
static int check_room(struct unpack *u, int parent, const char *base, const char *name,
		      struct archive_entry *e)
{
	const char *link = archive_entry_symlink(e);
	char there[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (fstatat(parent, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fail(u, name, -errno, "cannot look at");
	n = link && S_ISLNK(st.st_mode) ? readlinkat(parent, base, there, sizeof(there) - 1) : -1;
	if (n >= 0 && blob_eq_str((struct blob){there, (size_t)n}, link))
		return 1;
	return refuse(u, name, "is brought by another package too");
}

/* Whatever but a folder lies at this name gives way, as with dpkg. */
static int make_room(struct unpack *u, int parent, const char *base, const char *name,
		     struct archive_entry *e)
{
	if (u->shared)
		return check_room(u, parent, base, name, e);
	if (unlinkat(parent, base, 0) < 0 && errno != ENOENT)
		return fail(u, name, -errno, "cannot replace");
	return 0;
}

static int make_file(struct unpack *u, int parent, const char *base, const char *name,
		     struct archive_entry *e)
{
	const struct timespec times[2] = {{archive_entry_mtime(e), archive_entry_mtime_nsec(e)},
					  {archive_entry_mtime(e), archive_entry_mtime_nsec(e)}};
	_cleanup_close_ int fd =
		openat(parent, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return fail(u, name, -errno, "cannot create");
	/* What a header promises is refused before it is written. */
	if (archive_entry_size_is_set(e) && (uint64_t)archive_entry_size(e) > u->bytes_left)
		return refuse(u, name, "the archive holds more than is allowed");
	r = copy_data(u, name, fd);
	if (r < 0)
		return r;
	/* In this order: a change of owner takes set-id bits and capabilities away. */
	if (fchown(fd, (uid_t)archive_entry_uid(e), (gid_t)archive_entry_gid(e)) < 0 ||
	    fchmod(fd, archive_entry_perm(e)) < 0)
		return fail(u, name, -errno, "cannot set owner and mode");
	r = set_xattrs(u, name, fd, e);
	if (r < 0)
		return r;
	return futimens(fd, times) < 0 ? fail(u, name, -errno, "cannot set its time") : 0;
}

static int make_link(struct unpack *u, int parent, const char *base, const char *name,
		     struct archive_entry *e)
{
	const struct timespec times[2] = {{archive_entry_mtime(e), archive_entry_mtime_nsec(e)},
					  {archive_entry_mtime(e), archive_entry_mtime_nsec(e)}};
	const char *target = archive_entry_symlink(e);

	if (!target || symlinkat(target, parent, base) < 0)
		return fail(u, name, target ? -errno : -EINVAL, "cannot make the link");
	if (fchownat(parent, base, (uid_t)archive_entry_uid(e), (gid_t)archive_entry_gid(e),
		     AT_SYMLINK_NOFOLLOW) < 0 ||
	    utimensat(parent, base, times, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(u, name, -errno, "cannot set owner and time");
	return 0;
}

/* What is a conffile to the caller is put beside its place. */
static void stage(const struct unpack *u, char **name)
{
	char *plain = *name;

	if (!u->shared || !strmap_get(u->shared->staged, plain))
		return;
	*name = xasprintf("%s" UNPACK_STAGED, plain);
	free(plain);
}

static int make_hard_link(struct unpack *u, int parent, const char *base, const char *name,
			  struct archive_entry *e)
{
	_cleanup_free_ char *target = NULL;
	_cleanup_close_ int from = -1;
	const char *why = unpack_clean_name(archive_entry_hardlink(e), &target);
	const char *slash;
	int r;

	if (why)
		return refuse(u, name, "a hard link to a name that is not allowed");
	if (!strmap_get(&u->seen, target))
		return refuse(u, name, "a hard link to what the archive did not bring");
	stage(u, &target);
	slash = strrchr(target, '/');
	if (slash)
		target[slash - target] = '\0';
	from = open_within(u->root, slash ? target : ".", O_PATH | O_DIRECTORY, RESOLVE_BENEATH);
	if (from < 0)
		return refuse(u, name, "a hard link through a link that leaves the root");
	r = linkat(from, slash ? slash + 1 : target, parent, base, 0) < 0 ? -errno : 0;
	return r < 0 ? fail(u, name, r, "cannot make the hard link") : 0;
}

static int make_entry(struct unpack *u, int parent, const char *base, const char *name,
		      struct archive_entry *e)
{
	mode_t type = archive_entry_filetype(e);

	if (archive_entry_hardlink(e))
		return make_hard_link(u, parent, base, name, e);
	if (type == AE_IFREG)
		return make_file(u, parent, base, name, e);
	if (type == AE_IFLNK)
		return make_link(u, parent, base, name, e);
	if (type == AE_IFIFO)
		return mkfifoat(parent, base, archive_entry_perm(e)) < 0 ||
				       fchownat(parent, base, (uid_t)archive_entry_uid(e),
						(gid_t)archive_entry_gid(e),
						AT_SYMLINK_NOFOLLOW) < 0
			       ? fail(u, name, -errno, "cannot make the fifo")
			       : 0;
	return refuse(u, name, "a device node or socket");
}

static int make_member(struct unpack *u, const char *plain, struct archive_entry *e)
{
	_cleanup_free_ char *name = xstrdup(plain);
	bool folder = !archive_entry_hardlink(e) && archive_entry_filetype(e) == AE_IFDIR;
	const char *base;
	int parent, r;

	if (!folder)
		stage(u, &name);
	base = name;
	parent = *name ? open_parent(u, name, &base) : u->root;
	if (parent < 0)
		return parent;
	if (u->shared && strchr(name, '\n'))
		return refuse(u, name, "a name with a line break");
	if (u->shared)
		strbuf_printf(u->shared->names, "/%s\n", *plain ? plain : ".");
	if (folder)
		return (u->shared ? share_folder : make_folder)(u, parent, base, name, e);
	if (!*name)
		return refuse(u, "./", "the root must be a folder");
	if (strmap_put(&u->seen, plain, u))
		return refuse(u, name, "comes twice");
	r = make_room(u, parent, base, name, e);
	return r < 0 ? r : r == 1 ? 0 : make_entry(u, parent, base, name, e);
}

static int unpack_members(struct unpack *u)
{
	struct archive_entry *e;

	for (;;) {
		_cleanup_free_ char *name = NULL;
		const char *raw, *why;
		int r = archive_read_next_header(u->in, &e);

		if (r == ARCHIVE_EOF)
			return set_times(u);
		if (r < ARCHIVE_WARN)
			return error_set(u->err, -EBADMSG, u->label, NULL, "%s",
					 archive_error_string(u->in));
		if (!u->members_left--)
			return refuse(u, "./", "the archive has more members than are allowed");
		raw = archive_entry_pathname(e);
		why = unpack_clean_name(raw, &name);
		if (why)
			return refuse(u, raw ? raw : "", why);
		r = make_member(u, name, e);
		if (r < 0)
			return r;
	}
}

int unpack_from(struct archive *in, int dirfd, const char *label,
		const struct unpack_limits *limits, const struct unpack_shared *shared, struct error *err)
{
	struct unpack u = {
		.in = in,
		.label = label,
		.err = err,
		.root = dirfd,
		.parent_fd = -1,
		.bytes_left = limits && limits->max_bytes ? limits->max_bytes : UINT64_C(16) << 30,
		.members_left = limits && limits->max_members ? limits->max_members : 2000000,
		.shared = shared};
	int r = unpack_members(&u);

	unpack_free(&u);
	return r;
}

struct archive *unpack_reader(void)
{
	struct archive *a = archive_read_new();

	if (!a)
		abort();
	archive_read_support_format_tar(a);
	archive_read_support_filter_gzip(a);
	archive_read_support_filter_xz(a);
	archive_read_support_filter_zstd(a);
	return a;
}

int unpack_tar(int fd, int dirfd, const char *label, const struct unpack_limits *limits,
	       struct error *err)
{
	struct archive *a = unpack_reader();
	int r = archive_read_open_fd(a, fd, UNPACK_READ_BLOCK);

	if (r != ARCHIVE_OK)
		r = error_set(err, -EBADMSG, label, NULL, "%s", archive_error_string(a));
	else
		r = unpack_from(a, dirfd, label, limits, NULL, err);
	archive_read_free(a);
	return r;
}
