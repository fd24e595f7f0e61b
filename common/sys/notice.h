/* Changes of files, as inotify(7) tells of them. */
#pragma once

#include <stddef.h>
#include <sys/inotify.h>

/* What was read and not yet looked at; begins as {0}. */
struct notices {
	_Alignas(struct inotify_event) char buf[4096];
	size_t n, at;
};

/* The next event of a descriptor that does not block, NULL when there is none now. It stays until the next call. */
const struct inotify_event *notice_next(struct notices *s, int fd);

/* Waits until the path is there; its folder has to be. 0, -ETIMEDOUT after `timeout_ms` (-1: never), or -errno. */
int notice_wait(const char *path, int timeout_ms);
