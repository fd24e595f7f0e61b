#include "runtime/filecopy/send.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "common/base/alloc.h"
#include "common/base/strbuf.h"
#include "common/base/strv.h"
#include "common/sys/file.h"
#include "runtime/filecopy/result.h"

void send_init(struct send *s, int in, int out, struct error *err)
{
	*s = (struct send){.in = in, .out = out, .err = err, .buffer = xmalloc(FILECOPY_BUFFER)};
	/* Fewer turns between the two sides where the pipe can be made larger. */
	fcntl(out, F_SETPIPE_SZ, FILECOPY_BUFFER);
}

void send_free(struct send *s)
{
	free(take_ptr(s->buffer));
}

static int flush(struct send *s)
{
	struct pollfd p = {.fd = s->in, .events = POLLIN};
	int r;

	/* An answer before the end is an error: it makes no sense to go on. */
	if (!s->answered && poll(&p, 1, 0) > 0 && p.revents)
		s->answered = true;
	if (s->answered)
		return -EPIPE;
	s->crc = (uint32_t)crc32_z(s->crc, (const unsigned char *)s->buffer, s->used);
	r = write_all(s->out, s->buffer, s->used);
	if (s->progress)
		progress_add(s->progress, s->used);
	s->used = 0;
	return r;
}

int send_data(struct send *s, const void *data, size_t n)
{
	const char *from = data;

	while (n) {
		size_t room = FILECOPY_BUFFER - s->used, part = n < room ? n : room;

		memcpy(s->buffer + s->used, from, part);
		s->used += part;
		from += part;
		n -= part;
		if (s->used == FILECOPY_BUFFER) {
			int r = flush(s);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

int send_header(struct send *s, const struct file_header *h, const char *name)
{
	int r = send_data(s, h, sizeof(*h));

	return r < 0 ? r : send_data(s, name, h->namelen);
}

static struct file_header header_of(const char *name, const struct stat *st, uint64_t length)
{
	return (struct file_header){
		.namelen = (uint32_t)strlen(name) + 1,
		.mode = st->st_mode,
		.filelen = length,
		.atime = (uint32_t)st->st_atim.tv_sec,
		.atime_nsec = (uint32_t)st->st_atim.tv_nsec,
		.mtime = (uint32_t)st->st_mtim.tv_sec,
		.mtime_nsec = (uint32_t)st->st_mtim.tv_nsec,
	};
}

/* Straight into the buffer: a byte is copied once. */
static int send_body(struct send *s, int fd, uint64_t n, const char *name)
{
	while (n) {
		size_t room = FILECOPY_BUFFER - s->used;
		ssize_t got = read(fd, s->buffer + s->used, n < room ? (size_t)n : room);
		int r = 0;

		if (got < 0)
			return error_errno(s->err, -errno, name, "cannot read");
		if (!got)
			return error_set(s->err, -ESTALE, name, "copy it again when nobody writes to it",
					 "became shorter while it was copied");
		s->used += (size_t)got;
		n -= (uint64_t)got;
		if (s->used == FILECOPY_BUFFER)
			r = flush(s);
		if (r < 0)
			return r;
	}
	return 0;
}

static int send_file(struct send *s, int dir, const char *base, const char *name)
{
	_cleanup_close_ int fd = openat(dir, base, O_RDONLY | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	struct file_header h;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(s->err, -errno, name, "cannot open");
	if (!S_ISREG(st.st_mode))
		return error_set(s->err, -ESTALE, name, NULL, "was replaced while it was copied");
	h = header_of(name, &st, (uint64_t)st.st_size);
	r = send_header(s, &h, name);
	return r < 0 ? r : send_body(s, fd, h.filelen, name);
}

static int send_link(struct send *s, int dir, const char *base, const char *name, const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, base, target, sizeof(target));
	struct file_header h;
	int r;

	if (n < 0 || (size_t)n == sizeof(target))
		return error_errno(s->err, n < 0 ? -errno : -ENAMETOOLONG, name, "cannot read the link");
	h = header_of(name, st, (uint64_t)n);
	r = send_header(s, &h, name);
	return r < 0 ? r : send_data(s, target, (size_t)n);
}

static int send_entry(struct send *s, int dir, const char *base, struct strbuf *name);

/* Its entries, in byte order so that two copies of a tree are the same stream. */
static int send_entries(struct send *s, int dir, const char *base, struct strbuf *name)
{
	_cleanup_close_ int fd = openat(dir, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	_cleanup_strv_ struct strv entries = {0};
	size_t length = name->n;
	int r = 0;

	if (!d)
		return error_errno(s->err, -errno, name->p, "cannot open");
	take_fd(&fd); /* closed with d */
	errno = 0;
	/* The kind stands behind: most entries are files, which need no further question. */
	for (struct dirent *e; (e = readdir(d));)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			strv_pushf(&entries, "%s%c", e->d_name, e->d_type == DT_REG ? 'f' : '?');
	if (errno)
		return error_errno(s->err, -errno, name->p, "cannot read");
	strv_sort(&entries);
	for (size_t i = 0; i < entries.n && r >= 0; i++) {
		char *kind = entries.v[i] + strlen(entries.v[i]) - 1;
		bool is_file = *kind == 'f';

		*kind = '\0';
		strbuf_add_char(name, '/');
		strbuf_add_str(name, entries.v[i]);
		r = is_file && name->n < FILECOPY_PATH_MAX ? send_file(s, dirfd(d), entries.v[i], name->p)
							    : send_entry(s, dirfd(d), entries.v[i], name);
		name->n = length;
		name->p[length] = '\0';
	}
	return r;
}

static int send_directory(struct send *s, int dir, const char *base, struct strbuf *name, const struct stat *st)
{
	struct file_header h = header_of(name->p, st, 0);
	int r = send_header(s, &h, name->p);

	if (r >= 0)
		r = send_entries(s, dir, base, name);
	return r < 0 ? r : send_header(s, &h, name->p);
}

static int send_entry(struct send *s, int dir, const char *base, struct strbuf *name)
{
	struct stat st;

	if (name->n > FILECOPY_PATH_MAX - 1)
		return error_errno(s->err, -ENAMETOOLONG, name->p, "cannot send");
	if (fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(s->err, -errno, name->p, "cannot read");
	if (S_ISREG(st.st_mode))
		return send_file(s, dir, base, name->p);
	if (S_ISDIR(st.st_mode))
		return send_directory(s, dir, base, name, &st);
	if (S_ISLNK(st.st_mode) && !s->ignore_symlinks)
		return send_link(s, dir, base, name->p, &st);
	if (S_ISLNK(st.st_mode))
		s->ignored_links++;
	else
		s->skipped++;
	return 0;
}

int send_path(struct send *s, const char *path)
{
	_cleanup_free_ char *copy = xstrdup(path);
	_cleanup_strbuf_ struct strbuf name = {0};
	size_t n = strlen(copy);
	char *slash;

	while (n > 1 && copy[n - 1] == '/')
		copy[--n] = '\0';
	slash = strrchr(copy, '/');
	strbuf_add_str(&name, slash ? slash + 1 : copy);
	if (!name.n || !strcmp(name.p, ".") || !strcmp(name.p, ".."))
		return error_set(s->err, -EINVAL, path, "name the files in it", "has no name to arrive under");
	if (slash)
		*slash = '\0';

	const char *parent = !slash ? "." : slash == copy ? "/" : copy;
	_cleanup_close_ int dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return error_errno(s->err, -errno, parent, "cannot open");
	return send_entry(s, dir, name.p, &name);
}

int send_end(struct send *s, int result)
{
	static const struct file_header end;

	if (!result)
		result = send_data(s, &end, sizeof(end));
	if (!result)
		result = flush(s);
	if (s->progress)
		progress_end(s->progress);
	if (result < 0 && !(s->err && s->err->cause))
		error_errno(s->err, result, "receiver", "cannot send");
	return result;
}

int send_finish(struct send *s, int result)
{
	result = send_end(s, result);
	/* Our own trouble: there will be no answer that says more. */
	if (result < 0 && result != -EPIPE)
		return result;
	if (s->err)
		error_free(s->err);
	return result_read(s->in, s->crc, s->err);
}
