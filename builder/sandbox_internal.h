/* What the parts of the sandbox share: builder/sandbox.c starts and waits, _mount.c makes the view,
 * _limits.c takes rights away. All of it runs in the child, before anything foreign does. */
#pragma once

#include "builder/sandbox.h"

/* Each returns 0 or -errno, with *step naming what failed. */
int sandbox_mount_all(const struct sandbox *sb, const char **step);
int sandbox_drop_rights(const struct sandbox *sb, const char **step);
/* Writing only below what sb makes writable. 0 also where the kernel has no Landlock; -errno. */
int sandbox_landlock(const struct sandbox *sb);
