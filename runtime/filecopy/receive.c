#include "runtime/filecopy/receive.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zlib.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"
#include "runtime/filecopy/names.h"

#define NSEC_MAX 999999999U
#define WAIT_MS 1000

void receive_init(struct receive *r, int in, int root)
{
	memset(r, 0, sizeof(*r));
	r->in = in;
	r->root = root;
	r->parent = -1;
	r->allow_symlinks = r->allow_directories = true;
	r->buffer = xmalloc(FILECOPY_BUFFER);
}

static void forget_parent(struct receive *r)
{
	if (r->parent >= 0)
		close(take_fd(&r->parent));
}

void receive_free(struct receive *r)
{
	forget_parent(r);
	free(take_ptr(r->buffer));
}

/* More input behind r->end. 0 at its end. */
static ssize_t fill(struct receive *r)
{
	ssize_t n;

	do
		n = read(r->in, r->buffer, FILECOPY_BUFFER);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	r->at = 0;
	r->end = (size_t)n;
	return n;
}

/* The next piece of the stream, of at most `max` bytes; it counts for the checksum. */
static ssize_t take(struct receive *r, uint64_t max, const char **piece)
{
	size_t n;

	if (r->at == r->end) {
		ssize_t got = fill(r);

		if (got <= 0)
			return got;
	}
	n = r->end - r->at < max ? r->end - r->at : (size_t)max;
	*piece = r->buffer + r->at;
	r->crc = (uint32_t)crc32_z(r->crc, (const unsigned char *)*piece, n);
	r->at += n;
	return (ssize_t)n;
}

static int take_exactly(struct receive *r, void *data, size_t n, int at_end)
{
	for (char *to = data; n;) {
		const char *piece;
		ssize_t got = take(r, n, &piece);

		if (got <= 0)
			return got ? (int)got : at_end;
		memcpy(to, piece, (size_t)got);
		to += got;
		n -= (size_t)got;
	}
	return 0;
}

/* Waits until that many bytes would still be free, which is what a user asks for who makes room meanwhile. */
static void wait_for_space(const struct receive *r)
{
	struct statvfs fs;

	while (r->wait_for_space && !fstatvfs(r->root, &fs) && fs.f_bavail * fs.f_frsize < r->wait_for_space)
		poll(NULL, 0, WAIT_MS);
}

/* The folder that `name` lies in, opened without following a link; the last one is kept. *base: the last component. */
static int open_parent(struct receive *r, const char **base)
{
	const char *slash = strrchr(r->name, '/'), *from = r->name;
	size_t n = slash ? (size_t)(slash - r->name) : 0;

	*base = slash ? slash + 1 : r->name;
	if (!n)
		return r->root;
	if (r->parent >= 0 && strlen(r->parent_name) == n && !memcmp(r->parent_name, r->name, n))
		return r->parent;
	forget_parent(r);
	for (int fd = r->root; from < slash; from = strchr(from, '/') + 1) {
		size_t length = (size_t)(strchr(from, '/') - from);
		char component[NAME_MAX + 1];

		if (length > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(component, from, length);
		component[length] = '\0';
		fd = length ? openat(fd, component, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : dup(fd);
		int saved = errno;
		forget_parent(r);
		if (fd < 0)
			return -saved;
		r->parent = fd;
	}
	memcpy(r->parent_name, r->name, n);
	r->parent_name[n] = '\0';
	return r->parent;
}

static int set_attributes(int fd, const struct file_header *h)
{
	struct timespec times[2] = {{h->atime, h->atime_nsec}, {h->mtime, h->mtime_nsec}};

	if (fchmod(fd, h->mode & 07777) < 0 || futimens(fd, times) < 0)
		return -errno;
	return 0;
}

static int receive_body(struct receive *r, int fd, uint64_t n)
{
	while (n) {
		const char *piece;
		ssize_t got = take(r, n, &piece);
		int w;

		if (got <= 0)
			return got ? (int)got : -FILECOPY_LEGAL_EOF;
		wait_for_space(r);
		w = write_all(fd, piece, (size_t)got);
		if (w < 0)
			return w;
		n -= (uint64_t)got;
	}
	return 0;
}

/* Nobody can open the file while it is incomplete: its mode is 0 until then. What stays incomplete is removed. */
static int receive_file(struct receive *r, const struct file_header *h)
{
	const char *base;
	int dir = open_parent(r, &base), result;

	if (dir < 0)
		return dir;

	_cleanup_close_ int fd = openat(dir, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	result = receive_body(r, fd, h->filelen);
	if (!result)
		result = set_attributes(fd, h);
	if (result)
		unlinkat(dir, base, 0);
	return result;
}

/* The second time its permissions are set: they may forbid what had to be written into it before. */
static int receive_directory(struct receive *r, const struct file_header *h)
{
	const char *base;
	int dir = open_parent(r, &base);

	if (dir < 0)
		return dir;
	if (!mkdirat(dir, base, 0700))
		return 0;
	if (errno != EEXIST)
		return -errno;

	_cleanup_close_ int fd = openat(dir, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ELOOP || errno == ENOTDIR ? -EEXIST : -errno;
	return set_attributes(fd, h);
}

/* The name in an answer about a link is its target, as upstream has it. */
static int receive_symlink(struct receive *r, const struct file_header *h)
{
	struct timespec times[2] = {{h->atime, h->atime_nsec}, {h->mtime, h->mtime_nsec}};
	const char *base;
	int dir, result;

	if (h->filelen > FILECOPY_PATH_MAX - 1)
		return -ENAMETOOLONG;
	result = take_exactly(r, r->target, (size_t)h->filelen, -FILECOPY_LEGAL_EOF);
	if (result)
		return result;
	r->target[h->filelen] = '\0';
	r->last_namelen = (uint32_t)h->filelen;
	memcpy(r->last_name, r->target, (size_t)h->filelen);
	result = name_check_symlink(blob_of(r->name), (struct blob){r->target, (size_t)h->filelen}, r->name_flags);
	if (result)
		return result;
	dir = open_parent(r, &base);
	if (dir < 0)
		return dir;
	if (symlinkat(r->target, dir, base) < 0 || utimensat(dir, base, times, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int receive_by_type(struct receive *r, const struct file_header *h)
{
	int result;

	/* Links are judged together with their target. */
	result = S_ISLNK(h->mode) ? 0 : name_check_path((struct blob){r->name, h->namelen - 1}, r->name_flags);
	if (S_ISREG(h->mode))
		return result ? result : receive_file(r, h);
	if (S_ISLNK(h->mode) && r->allow_symlinks)
		return receive_symlink(r, h);
	if (!S_ISDIR(h->mode) || !r->allow_directories)
		return -EINVAL;
	/* Upstream reports a folder's name with the sign its check has. */
	if (result) {
		r->error_code = (uint32_t)result;
		return result;
	}
	return receive_directory(r, h);
}

static int receive_one(struct receive *r, const struct file_header *h)
{
	int result;

	if (h->namelen > FILECOPY_PATH_MAX)
		return -ENAMETOOLONG;
	result = take_exactly(r, r->name, h->namelen, -FILECOPY_LEGAL_EOF);
	if (result)
		return result;
	if (r->name[h->namelen - 1])
		return -EINVAL;
	r->last_namelen = (uint32_t)strlen(r->name);
	memcpy(r->last_name, r->name, h->namelen);
	if (h->atime_nsec > NSEC_MAX || h->mtime_nsec > NSEC_MAX)
		return -EINVAL;
	r->files++;
	if (S_ISREG(h->mode) && r->max_bytes && (h->filelen > r->max_bytes || r->bytes > r->max_bytes - h->filelen))
		return -EDQUOT;
	if (r->max_files && r->files > r->max_files)
		return -EDQUOT;
	if (S_ISREG(h->mode))
		r->bytes += h->filelen;
	if (r->verbose)
		fprintf(stderr, "%s\n", name_is_safe_text(blob_of(r->name)) ? r->name : "(a name that is not shown)");
	return receive_by_type(r, h);
}

bool receive_run(struct receive *r)
{
	struct file_header h;
	int result;

	do {
		result = take_exactly(r, &h, sizeof(h), -EREMOTEIO);
		if (!result && h.namelen)
			result = receive_one(r, &h);
	} while (!result && h.namelen);
	/* What the sender deletes once it has the answer must survive a power cut here. */
	if (!result && syncfs(r->root) < 0)
		result = -errno;
	if (result && !r->error_code)
		r->error_code = (uint32_t)-result;
	forget_parent(r);
	return !result;
}

int receive_answer(const struct receive *r, int out)
{
	struct {
		struct result_header h;
		struct result_header_ext ext;
		char name[FILECOPY_PATH_MAX];
	} __attribute__((packed)) m = {{r->error_code, 0, r->crc}, {r->last_namelen}, {0}};

	memcpy(m.name, r->last_name, r->last_namelen);
	return write_all(out, &m, sizeof(m.h) + sizeof(m.ext) + r->last_namelen);
}
