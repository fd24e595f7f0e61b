#include "runtime/qrexec/policy/watch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/sys/notice.h"
#include "runtime/qrexec/policy/decide.h"

#define CHANGES (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)
/* Of a folder that stands for one below it that is not there yet. */
#define APPEARANCE (IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF)
#define ROUNDS 8

/* The folder, or what is there of the way to it. Returns whether the watch is new. */
static bool watch(struct decider *d, const char *dir)
{
	char path[4096];
	uint32_t mask = CHANGES;
	int wd;

	if (strlen(dir) >= sizeof(path) || strmap_get(&d->watches, dir))
		return false;
	strcpy(path, dir);
	while ((wd = inotify_add_watch(d->inotify_fd, path, mask | IN_ONLYDIR | IN_MASK_ADD)) < 0 && errno == ENOENT) {
		char *slash = strrchr(path, '/');

		if (!slash)
			return false;
		slash[slash == path] = '\0';
		mask = APPEARANCE;
	}
	if (wd < 0)
		fprintf(stderr, "qrexec-policy: %s: changes are not noticed: %s\n", path, strerror(errno));
	else if (mask == CHANGES && wd < DECIDER_WATCHES)
		d->is_policy_folder[wd] = true;
	strmap_put(&d->watches, dir, d);
	return true;
}

static void log_errors(const struct policy *p)
{
	for (size_t i = 0; i < p->errors.n; i++)
		fprintf(stderr, "qrexec-policy: %s; everything is denied until this is repaired\n", p->errors.v[i]);
}

/* Which folders count is known only when the files were read: again, until all were watched before they were read. */
static void load(struct decider *d)
{
	bool grown = true;

	for (int i = 0; i < ROUNDS && grown; i++) {
		grown = false;
		policy_free(d->policy);
		d->policy = policy_load(&d->places);
		for (size_t k = 0; k < d->policy->folders.n; k++)
			grown |= watch(d, d->policy->folders.v[k]);
	}
	log_errors(d->policy);
}

static bool changed(struct decider *d)
{
	const struct inotify_event *e;
	struct notices events = {0};
	bool any = false;

	/* Beside where a folder may appear, sockets and pid files come and go. */
	while ((e = notice_next(&events, d->inotify_fd)))
		any |= e->wd < 0 || e->wd >= DECIDER_WATCHES || d->is_policy_folder[e->wd] || (e->mask & IN_ISDIR) ||
		       (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF));
	return any;
}

void watch_refresh(struct decider *d)
{
	if (!changed(d))
		return;
	/* Folders may have come and gone: all watches anew. */
	watch_free(d);
	if (watch_setup(d) < 0)
		strv_push(&d->policy->errors, "inotify: changes cannot be noticed");
}

static int on_change(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	(void)s;
	(void)fd;
	(void)events;
	watch_refresh(arg);
	return 0;
}

int watch_setup(struct decider *d)
{
	sd_event_source *source;
	int r;

	d->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (d->inotify_fd < 0) {
		r = -errno;
		load(d);
		return r;
	}
	r = sd_event_add_io(d->event, &source, d->inotify_fd, EPOLLIN, on_change, d);
	if (r >= 0) {
		sd_event_source_set_io_fd_own(source, true);
		d->watch_source = source;
	}
	load(d);
	return r < 0 ? r : 0;
}

void watch_free(struct decider *d)
{
	sd_event_source_disable_unref(d->watch_source);
	d->watch_source = NULL;
	strmap_free(&d->watches);
	d->watches = (struct strmap){0};
	memset(d->is_policy_folder, 0, sizeof(d->is_policy_folder));
}
