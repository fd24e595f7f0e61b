/* Whole files, whole writes and whole trees. Every function returns 0 (or what it says) or -errno. */
#pragma once

#include <linux/openat2.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/strbuf.h"

/* Appends the file to *out; -EFBIG when it is larger than `max` bytes. */
int read_file(int dirfd, const char *path, size_t max, struct strbuf *out);
/* Appends what the descriptor yields up to its end; -EFBIG beyond `max` bytes. */
int read_fd(int fd, size_t max, struct strbuf *out);
/*
 * The file `name` holds either its old content or all of the new one, also after a power cut: temporary file beside
 * it, fsync, rename, fsync of the directory. `name` may have directories in it.
 */
int write_atomic(int dirfd, const char *name, const void *data, size_t n, mode_t mode);
/* Creates or truncates, without any fsync. */
int write_file(int dirfd, const char *path, const void *data, size_t n, mode_t mode);
/* All bytes, however often write() is interrupted or short. */
int write_all(int fd, const void *data, size_t n);
int pwrite_all(int fd, const void *data, size_t n, uint64_t offset);
/* Exactly n bytes; -ENODATA when the input ends earlier. */
int read_full(int fd, void *data, size_t n);
/* Copies up to the end of `from`; returns the bytes. */
int64_t copy_fd(int from, int to);
/*
 * A path below a directory, close-on-exec and through no magic link; `resolve` says what of it may lead elsewhere
 * (openat2(2): RESOLVE_BENEATH, RESOLVE_IN_ROOT, ...). A descriptor or -errno.
 */
int open_within(int dirfd, const char *path, int flags, uint64_t resolve);
/* Brings the directory that a file at `path` lies in to the disk: only then a new name lasts. */
int sync_parent(int dirfd, const char *path);
/* Creates the directory and its parents; fine when it is there. */
int mkdir_p(int dirfd, const char *path, mode_t mode);
/* As mkdir_p() for the directory that a file at `path` lies in. */
int mkdir_parents(int dirfd, const char *path, mode_t mode);
/* Removes the file or tree; never follows a link, never leaves the file system it starts on. Absent: 0. */
int remove_tree(int dirfd, const char *name);
