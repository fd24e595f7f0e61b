#include "builder/fetch/part.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"

enum { BLOCK = 1 << 16 };

/* Whether fd is the file of that name: it may have got its final one before it was ours. */
static bool has_name(int fd, const char *path)
{
	struct stat mine, named;

	return fstat(fd, &mine) == 0 && lstat(path, &named) == 0 && mine.st_dev == named.st_dev &&
	       mine.st_ino == named.st_ino;
}

/* The descriptor, -EBUSY when somebody else has it, or -errno. */
static int open_ours(const char *path)
{
	for (;;) {
		_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0)
			return errno == EWOULDBLOCK ? -EBUSY : -errno;
		if (has_name(fd, path))
			return take_fd(&fd);
	}
}

static int open_own(struct part *p)
{
	char *path = xasprintf("%s.XXXXXX", p->path);
	int fd = mkostemp(path, O_CLOEXEC);

	free(p->path);
	p->path = path;
	p->own = true;
	return fd < 0 ? -errno : fd;
}

/* Takes what an earlier process has left into the digest. */
static int take_over(struct part *p, uint64_t max)
{
	_cleanup_free_ char *block = xmalloc(BLOCK);
	ssize_t n;

	p->digest = sha256_new();
	while ((n = read(p->fd, block, BLOCK)) > 0) {
		p->size += (uint64_t)n;
		if (p->size >= max)
			return part_reset(p);
		sha256_add(p->digest, block, (size_t)n);
	}
	return n < 0 ? -errno : 0;
}

int part_open(struct part *p, const char *cache, const struct fetch_item *item, struct error *err)
{
	_cleanup_free_ char *file = fetch_cache_path(cache, item->sha256);
	int r;

	*p = (struct part){.path = xasprintf("%s.part", file)};
	p->fd = open_ours(p->path);
	if (p->fd == -EBUSY)
		p->fd = open_own(p);
	r = p->fd < 0 ? p->fd : take_over(p, item->size);
	if (r == 0)
		return 0;
	part_close(p);
	return error_errno(err, r, file, "cannot write to the cache");
}

int part_add(struct part *p, const void *data, size_t n)
{
	int r = write_all(p->fd, data, n);

	if (r < 0)
		return r;
	sha256_add(p->digest, data, n);
	p->size += n;
	return 0;
}

int part_reset(struct part *p)
{
	if (ftruncate(p->fd, 0) < 0 || lseek(p->fd, 0, SEEK_SET) < 0)
		return -errno;
	sha256_free(p->digest);
	p->digest = sha256_new();
	p->size = 0;
	return 0;
}

bool part_is(struct part *p, const char *sha256)
{
	char found[SHA256_HEX];

	sha256_end_hex(take_ptr(p->digest), found);
	return !strcmp(found, sha256);
}

int part_keep(struct part *p, const char *cache, const struct fetch_item *item)
{
	_cleanup_free_ char *file = fetch_cache_path(cache, item->sha256);

	if (fchmod(p->fd, 0644) < 0 || rename(p->path, file) < 0)
		return -errno;
	free(take_ptr(p->path));
	part_close(p);
	return 0;
}

void part_close(struct part *p)
{
	/* Of use is only what the next one finds. */
	if (p->path && p->fd >= 0 && (p->own || !p->size))
		unlink(p->path);
	if (p->fd >= 0)
		close(p->fd);
	sha256_free(p->digest);
	free(p->path);
	*p = (struct part)PART_CLOSED;
}
