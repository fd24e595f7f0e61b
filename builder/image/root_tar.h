/* Reading the finished root's tar stream, as our own writer made it. */
#pragma once

#include "common/base/error.h"

/*
 * Writes the part of the root below `folder` ("/usr/lib/modules") to out_fd as a tar stream of its
 * own, in which that folder is the top. -ENOENT: there is no such folder; -EINVAL: a hard link in
 * it points out of it.
 */
int root_tar_subtree(const char *root_tar, const char *folder, int out_fd, struct error *err);

/*
 * Writes the content of the one regular file whose path matches the glob(7) pattern to out_fd; '*'
 * does not match a slash. *path (may be NULL) gets its path, allocated. -ENOENT: none matches;
 * -EINVAL: several do.
 */
int root_tar_file(const char *root_tar, const char *pattern, int out_fd, char **path,
		  struct error *err);
