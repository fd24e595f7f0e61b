/*
 * cpio archives in the "newc" format, as the kernel unpacks them
 * (Documentation/driver-api/early-userspace/buffer-format.rst). The same members give the same bytes: sorted by name,
 * inode numbers 1, 2, ..., one fixed time, no device numbers, owner root.
 *
 *     struct cpio *c _cleanup_cpio_ = cpio_new(epoch);
 *     cpio_add_file(c, "etc/crypttab", 0600, text, n);
 *     r = cpio_write(c, fd);
 *
 * Adding never fails at once: the first error is kept and cpio_write() returns it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/cleanup.h"

struct cpio;

/* `epoch`: modification time of all members, in seconds. */
struct cpio *cpio_new(uint32_t epoch);
/* NULL is allowed. */
void cpio_free(struct cpio *c);

/*
 * Names are relative ("etc/fstab"); leading slashes are dropped. Folders above a member that were
 * not added get mode 0755. Kept errors: -EINVAL for an empty name, "." or "..", -EEXIST for the
 * same name twice, -EFBIG beyond 4 GiB. Data is copied.
 */
void cpio_add_dir(struct cpio *c, const char *name, mode_t mode);
void cpio_add_file(struct cpio *c, const char *name, mode_t mode, const void *data, size_t n);
void cpio_add_link(struct cpio *c, const char *name, const char *target);
/* mode holds S_IFCHR or S_IFBLK. */
void cpio_add_node(struct cpio *c, const char *name, mode_t mode, unsigned major, unsigned minor);
/* A file's content from `path`, which is opened relative to `dirfd`. */
void cpio_add_path(struct cpio *c, const char *name, mode_t mode, int dirfd, const char *path);

/*
 * Writes the archive with its trailer, filled up with zeros to a multiple of 512 bytes, so that
 * another one can be appended. 0 or -errno.
 */
int cpio_write(struct cpio *c, int fd);

static inline void cleanup_cpio(struct cpio **c)
{
	cpio_free(*c);
}

#define _cleanup_cpio_ _cleanup_(cleanup_cpio)
