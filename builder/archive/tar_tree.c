/* tar_write_tree: a folder as a sorted stream. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "builder/archive/tar_write.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/base/strmap.h"
#include "common/base/strbuf.h"
#include "common/base/strv.h"

enum { DEPTH_MAX = 256, CAPABILITY_MAX = 64 };

struct walk {
	struct tar_writer *w;
	int64_t epoch;
	struct strmap seen; /* "dev:ino" of files with several names -> first name */
	struct strbuf path; /* "./usr/" : of the folder being walked */
	struct error *err;
	char *buffer;
};

enum { COPY = 1 << 18 };

static int fail(struct walk *k, const char *name, int code, const char *doing)
{
	_cleanup_free_ char *object = xasprintf("%s%s", k->path.p, name);

	return error_errno(k->err, code, object, doing);
}

static int copy_content(struct walk *k, int fd, uint64_t size)
{
	while (size) {
		ssize_t n = read(fd, k->buffer, size < COPY ? (size_t)size : COPY);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		r = tar_writer_data(k->w, k->buffer, (size_t)n);
		if (r < 0)
			return r;
		size -= (uint64_t)n;
	}
	return 0;
}

static int write_file_member(struct walk *k, int dirfd, const char *name, struct tar_member *m)
{
	_cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOATIME);
	char capability[CAPABILITY_MAX];
	ssize_t n;
	int r;

	if (fd < 0)
		return fail(k, name, -errno, "cannot open");
	n = fgetxattr(fd, "security.capability", capability, sizeof(capability));
	if (n < 0 && errno != ENODATA && errno != EOPNOTSUPP)
		return fail(k, name, -errno, "cannot read its capabilities");
	if (n > 0) {
		m->capability = capability;
		m->capability_size = (size_t)n;
	}
	r = tar_writer_member(k->w, m);
	if (r == 0)
		r = copy_content(k, fd, m->size);
	return r < 0 ? fail(k, name, r, "cannot archive") : 0;
}

/* A further name of a file that is in the stream already: true, and *m is a hard link. */
static bool is_known(struct walk *k, const struct stat *st, struct tar_member *m)
{
	char key[48];
	const char *first;

	if (st->st_nlink < 2)
		return false;
	snprintf(key, sizeof(key), "%llx:%llx", (unsigned long long)st->st_dev,
		 (unsigned long long)st->st_ino);
	first = strmap_get(&k->seen, key);
	if (!first) {
		strmap_put(&k->seen, key, xstrdup(m->name));
		return false;
	}
	m->type = '1';
	m->link = first;
	m->size = 0;
	return true;
}

static int walk_folder(struct walk *k, int dirfd, unsigned depth);

static int write_folder(struct walk *k, int dirfd, const char *name, struct tar_member *m,
			unsigned depth)
{
	_cleanup_close_ int fd = -1;
	size_t before = k->path.n;
	int r = tar_writer_member(k->w, m);

	if (r < 0)
		return fail(k, name, r, "cannot archive");
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail(k, name, -errno, "cannot open");
	strbuf_printf(&k->path, "%s/", name);
	r = walk_folder(k, fd, depth + 1);
	k->path.n = before;
	k->path.p[before] = '\0';
	return r;
}

static int write_entry(struct walk *k, int dirfd, const char *name, unsigned depth)
{
	_cleanup_free_ char *path = NULL;
	struct tar_member m = {0};
	char target[4096];
	struct stat st;
	ssize_t n;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(k, name, -errno, "cannot stat");
	if (S_ISSOCK(st.st_mode))
		return 0;
	path = xasprintf("%s%s%s", k->path.p, name, S_ISDIR(st.st_mode) ? "/" : "");
	m = (struct tar_member){
		.name = path, .mode = st.st_mode & 07777, .uid = st.st_uid, .gid = st.st_gid};
	m.mtime = st.st_mtime > k->epoch ? k->epoch : st.st_mtime < 0 ? 0 : st.st_mtime;
	if (S_ISDIR(st.st_mode)) {
		m.type = '5';
		m.mtime = k->epoch;
		return write_folder(k, dirfd, name, &m, depth);
	}
	if (S_ISREG(st.st_mode)) {
		m.type = '0';
		m.size = (uint64_t)st.st_size;
		if (!is_known(k, &st, &m))
			return write_file_member(k, dirfd, name, &m);
	} else if (S_ISLNK(st.st_mode)) {
		n = readlinkat(dirfd, name, target, sizeof(target) - 1);
		if (n < 0)
			return fail(k, name, -errno, "cannot read the link");
		target[n] = '\0';
		m.type = '2';
		m.link = target;
		m.mode = 0777;
	} else if (S_ISFIFO(st.st_mode)) {
		m.type = '6';
	} else {
		return fail(k, name, -EPERM, "device nodes have no place in an image");
	}
	return tar_writer_member(k->w, &m) < 0 ? fail(k, name, -EIO, "cannot archive") : 0;
}

static int list_folder(int dirfd, struct strv *names)
{
	_cleanup_closedir_ DIR *d = NULL;
	const struct dirent *e;
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return -errno;
	}
	for (errno = 0; (e = readdir(d)); errno = 0)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			strv_push(names, e->d_name);
	strv_sort(names);
	return -errno;
}

static int walk_folder(struct walk *k, int dirfd, unsigned depth)
{
	_cleanup_strv_ struct strv names = {0};
	int r = depth > DEPTH_MAX ? -ELOOP : list_folder(dirfd, &names);

	if (r < 0)
		return fail(k, "", r, "cannot list");
	for (size_t i = 0; i < names.n; i++) {
		r = write_entry(k, dirfd, names.v[i], depth);
		if (r < 0)
			return r;
	}
	return 0;
}

static void free_seen(struct strmap *m)
{
	for (size_t i = 0; i < m->cap; i++)
		if (m->slots[i].key)
			free(m->slots[i].value);
	strmap_free(m);
}

int tar_write_tree(int dirfd, int fd, uint64_t epoch, struct error *err)
{
	struct walk k = {.w = tar_writer_new(fd), .epoch = (int64_t)epoch, .err = err};
	struct tar_member top = {.name = "./", .type = '5', .mtime = (int64_t)epoch};
	_cleanup_free_ char *buffer = xmalloc(COPY);
	struct stat st;
	int r = fstat(dirfd, &st) < 0 ? -errno : 0;

	k.buffer = buffer;
	strbuf_add_str(&k.path, "./");
	if (r == 0) {
		top.mode = st.st_mode & 07777;
		top.uid = st.st_uid;
		top.gid = st.st_gid;
		r = tar_writer_member(k.w, &top);
	}
	r = r < 0 ? fail(&k, "", r, "cannot archive") : walk_folder(&k, dirfd, 0);
	free_seen(&k.seen);
	if (r < 0) {
		tar_writer_free(k.w);
	} else {
		r = tar_writer_end(k.w);
		if (r < 0)
			fail(&k, "", r, "cannot write the archive");
	}
	strbuf_free(&k.path);
	return r;
}
