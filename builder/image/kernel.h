/* The kernel of a root: its version, and which modules a module needs (depmod(8) wrote that down). */
#pragma once

#include <stddef.h>

#include "common/base/error.h"
#include "common/base/strv.h"

/*
 * *version: name of the one folder of /usr/lib/modules that has a modules.dep; the caller's.
 * -ENOENT: there is no kernel; -EINVAL: there are several.
 */
int kernel_version(int root_fd, char **version, struct error *err);

/*
 * The files (below /usr/lib/modules/VERSION) of the wanted modules and of all they need, in an
 * order in which they can be loaded. '-' and '_' are the same in names. What is built into the
 * kernel is left out. A soft dependency is followed, too: the kernel would ask modprobe for it, and
 * a small initramfs has none. -ENOENT: the kernel has no such module; err names it.
 */
int kernel_modules_resolve(int root_fd, const char *version, const char *const *wanted,
			   struct strv *files, struct error *err);
