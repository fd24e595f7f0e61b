#include "common/sys/notice.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/clock.h"

const struct inotify_event *notice_next(struct notices *s, int fd)
{
	const struct inotify_event *e;

	if (s->at >= s->n) {
		ssize_t n;

		do
			n = read(fd, s->buf, sizeof(s->buf));
		while (n < 0 && errno == EINTR);
		s->at = 0;
		s->n = n > 0 ? (size_t)n : 0;
		if (n <= 0)
			return NULL;
	}
	e = (const struct inotify_event *)(const void *)(s->buf + s->at);
	s->at += sizeof(*e) + e->len;
	return e;
}

static int watch_folder(int fd, const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *folder = slash ? xasprintf("%.*s", (int)(slash - path) + 1, path) : xstrdup(".");

	return inotify_add_watch(fd, folder, IN_CREATE | IN_MOVED_TO) < 0 ? -errno : 0;
}

/* An event of any file is enough to look again. */
static int wait_event(int fd, int64_t end)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int64_t left = end < 0 ? -1 : end - now_ms();
	struct notices events = {0};
	int r;

	if (end >= 0 && left <= 0)
		return -ETIMEDOUT;
	r = poll(&p, 1, (int)left);
	if (r < 0 && errno != EINTR)
		return -errno;
	while (r > 0 && notice_next(&events, fd))
		;
	return 0;
}

int notice_wait(const char *path, int timeout_ms)
{
	int64_t end = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
	_cleanup_close_ int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	/* Watched first and looked at then, so that nothing happens in between. */
	int r = fd < 0 ? -errno : watch_folder(fd, path);

	while (access(path, F_OK) < 0) {
		if (errno != ENOENT)
			return -errno;
		if (r == 0)
			r = wait_event(fd, end);
		if (r < 0)
			return r;
	}
	return 0;
}
