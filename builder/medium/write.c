#include "builder/medium/write.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"
#include "common/ui/progress.h"

enum { PIECE = 4 << 20, ALIGN = 4096 };

struct copy {
	int from;
	uint64_t size;
	const struct device *to;
	struct progress progress;
	char *piece, *back; /* aligned */
};

static void copy_end(struct copy *c)
{
	free(c->piece);
	free(c->back);
}

static char *aligned(void)
{
	void *p = aligned_alloc(ALIGN, PIECE);

	if (!p)
		abort();
	return p;
}

static int fail(const struct copy *c, uint64_t at, int code, const char *doing, struct error *err)
{
	return error_set(err, code, c->to->path, "use another stick or port", "%s at byte %llu: %s", doing,
			 (unsigned long long)at, strerror(-code));
}

static int read_piece(const struct copy *c, uint64_t at, size_t *n, struct error *err)
{
	size_t want = c->size - at < PIECE ? (size_t)(c->size - at) : PIECE;
	int r = lseek(c->from, (off_t)at, SEEK_SET) < 0 ? -errno : read_full(c->from, c->piece, want);

	*n = want;
	return r < 0 ? error_errno(err, r, "the image", "cannot read") : 0;
}

/* Each piece is on the device before the next one is read: the rate shown is the device's, not the memory's. */
static int write_pieces(struct copy *c, int fd, struct error *err)
{
	for (uint64_t at = 0; at < c->size;) {
		size_t n;
		int r = read_piece(c, at, &n, err);

		if (r < 0)
			return r;
		r = write_all(fd, c->piece, n);
		if (r == 0 && fdatasync(fd) < 0)
			r = -errno;
		if (r < 0)
			return fail(c, at, r, "cannot write", err);
		at += n;
		progress_add(&c->progress, n);
	}
	return 0;
}

static size_t first_difference(const char *a, const char *b, size_t n)
{
	size_t i = 0;

	while (i < n && a[i] == b[i])
		i++;
	return i;
}

/* Past the kernel's memory of what was written: the last, short piece is read as whole blocks. */
static int compare_pieces(struct copy *c, int fd, struct error *err)
{
	for (uint64_t at = 0; at < c->size;) {
		size_t n, got = 0, want;
		int r = read_piece(c, at, &n, err);

		if (r < 0)
			return r;
		want = (n + ALIGN - 1) / ALIGN * ALIGN;
		if (want > c->to->size - at)
			want = (size_t)(c->to->size - at);
		while (got < n) {
			ssize_t k = pread(fd, c->back + got, want - got, (off_t)(at + got));

			if (k <= 0)
				return fail(c, at + got, k < 0 ? -errno : -ENODATA, "cannot read back", err);
			got += (size_t)k;
		}
		if (memcmp(c->piece, c->back, n) != 0)
			return error_set(err, -EBADMSG, c->to->path, "do not use this stick",
					 "gives back something else than was written, from byte %llu on",
					 (unsigned long long)(at + first_difference(c->piece, c->back, n)));
		at += n;
		progress_add(&c->progress, n);
	}
	return 0;
}

/* What was looked at, and agreed to, by a name that another stick may have got since. */
static bool is_device(int fd, const struct device *d)
{
	struct stat st;
	uint64_t size;

	return fstat(fd, &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == d->number &&
	       ioctl(fd, BLKGETSIZE64, &size) == 0 && size == d->size;
}

static int open_device(const struct device *d, int flags, struct error *err)
{
	/* For a block device: nobody has it mounted, whatever our own looking around missed. */
	_cleanup_close_ int fd = open(d->path, flags | O_EXCL | O_CLOEXEC);

	if (fd >= 0 && is_device(fd, d))
		return take_fd(&fd);
	if (fd >= 0)
		return error_set(err, -ENODEV, d->path, "look at it again", "is not the disk any more that it was");
	if (errno == EBUSY)
		return error_set(err, -EBUSY, d->path, "unmount it, if it is the right one", "is in use");
	return error_errno(err, -errno, d->path, "cannot open");
}

static int write_all_of_it(struct copy *c, struct write_result *result, struct error *err)
{
	_cleanup_close_ int fd = open_device(c->to, O_RDWR, err);
	int r;

	if (fd < 0)
		return fd;
	r = write_pieces(c, fd, err);
	if (r == 0 && (fsync(fd) < 0 || ioctl(fd, BLKFLSBUF) < 0))
		r = fail(c, c->size, -errno, "cannot write", err);
	result->write_rate = progress_rate(&c->progress);
	return r;
}

static int read_it_back(struct copy *c, struct write_result *result, struct error *err)
{
	_cleanup_close_ int fd = open_device(c->to, O_RDONLY | O_DIRECT, err);
	int r = fd < 0 ? fd : compare_pieces(c, fd, err);

	if (r < 0)
		return r;
	result->read_rate = progress_rate(&c->progress);
	/* The new partitions; a disk that cannot have any (a loop device) says no. */
	(void)ioctl(fd, BLKRRPART);
	return 0;
}

int write_image(int image_fd, uint64_t size, const struct device *to, bool quiet, struct write_result *result,
		struct error *err)
{
	_cleanup_(copy_end) struct copy c = {
		.from = image_fd, .size = size, .to = to, .piece = aligned(), .back = aligned()};
	int r;

	*result = (struct write_result){.size = size};
	progress_start(&c.progress, "writing", size, quiet);
	r = write_all_of_it(&c, result, err);
	progress_end(&c.progress);
	if (r < 0)
		return r;
	progress_start(&c.progress, "reading back", size, quiet);
	r = read_it_back(&c, result, err);
	progress_end(&c.progress);
	return r;
}
