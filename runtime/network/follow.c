#include "runtime/network/follow.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/notice.h"

enum { EVENTS = IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_CLOSE_WRITE | IN_ONLYDIR };

/* Each folder on the way to the file that is there now; one that comes later is an event of its parent. */
static void watch_path(struct follow *f, const char *path)
{
	for (const char *slash = path; slash && f->n < FOLLOW_WATCHES_MAX; slash = strchr(slash + 1, '/')) {
		_cleanup_free_ char *folder = xasprintf("%s%.*s/", f->root, (int)(slash - path), path);
		int wd = inotify_add_watch(f->fd, folder, EVENTS);

		if (wd < 0)
			return;
		f->watches[f->n].wd = wd;
		f->watches[f->n].name = slash + 1;
		f->watches[f->n++].length = strcspn(slash + 1, "/");
	}
}

static void watch_all(struct follow *f)
{
	f->n = 0;
	for (size_t i = 0; i < f->n_paths; i++)
		watch_path(f, f->paths[i]);
}

int follow_begin(struct follow *f, const char *root, const char *const *paths, size_t n, struct error *err)
{
	*f = (struct follow){.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), .root = root, .paths = paths, .n_paths = n};
	if (f->fd < 0)
		return error_errno(err, -errno, "inotify", "cannot be used");
	watch_all(f);
	return 0;
}

static bool concerns(const struct follow *f, const struct inotify_event *e)
{
	if (e->mask & IN_Q_OVERFLOW)
		return true;
	for (size_t i = 0; i < f->n; i++)
		if (f->watches[i].wd == e->wd && e->len && strlen(e->name) == f->watches[i].length &&
		    !strncmp(e->name, f->watches[i].name, f->watches[i].length))
			return true;
	return false;
}

/* True when there was one that matters. */
static bool read_events(const struct follow *f)
{
	const struct inotify_event *e;
	struct notices events = {0};
	bool found = false;

	while ((e = notice_next(&events, f->fd)))
		found |= concerns(f, e);
	return found;
}

int follow_wait(struct follow *f, int quiet_ms, struct error *err)
{
	struct pollfd p = {.fd = f->fd, .events = POLLIN};
	bool changed = false;

	for (;;) {
		int r = poll(&p, 1, changed ? quiet_ms : -1);

		if (r < 0 && errno != EINTR)
			return error_errno(err, -errno, "inotify", "cannot wait");
		if (r == 0)
			return 0;
		if (r > 0 && read_events(f)) {
			changed = true;
			watch_all(f);
		}
	}
}

void follow_end(struct follow *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}
