/* UNIX sockets by path. */
#pragma once

/*
 * A stream connected to `path`, close-on-exec; `flags` is 0 or SOCK_NONBLOCK, with which connecting does not wait
 * either. The descriptor, or -errno: -ENAMETOOLONG for a path that no socket can have.
 */
int socket_connect(const char *path, int flags);
