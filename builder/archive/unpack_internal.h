/* What the readers of archives share; inside builder/archive/. */
#pragma once

#include <archive.h>

#include "builder/archive/unpack.h"

enum { UNPACK_READ_BLOCK = 1 << 18 };

/* A reader of tars with the compressions of packages. */
struct archive *unpack_reader(void);
/* Why the name is not acceptable, or NULL; the clean name ("usr/bin/x", "" for the root) goes to
 * *clean. */
const char *unpack_clean_name(const char *name, char **clean);
/* All members of `in` into dirfd; shared: NULL when the folder is this archive's alone. */
int unpack_from(struct archive *in, int dirfd, const char *label,
		const struct unpack_limits *limits, const struct unpack_shared *shared,
		struct error *err);
