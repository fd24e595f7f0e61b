/* UNIX sockets by path. */
#pragma once

#include <sys/types.h>

/*
 * A stream connected to `path`, close-on-exec; `flags` is 0 or SOCK_NONBLOCK, with which connecting does not wait
 * either. The descriptor, or -errno: -ENAMETOOLONG for a path that no socket can have.
 */
int socket_connect(const char *path, int flags);

/*
 * A stream socket that listens at `path`, close-on-exec, in place of what an earlier process left there. `mode` is whom
 * the file lets in, from its first moment on; `flags` is 0 or SOCK_NONBLOCK. For programs of one thread: it uses the
 * umask. The descriptor, or -errno.
 */
int socket_listen(const char *path, mode_t mode, int flags, int backlog);

/* All of it, without SIGPIPE. 0 or -errno. */
int socket_send_all(int fd, const void *data, size_t n);
