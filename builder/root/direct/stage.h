/*
 * The first half of the direct way: each package is unpacked into a folder of its own, by several
 * processes at a time, each in a sandbox that can write to nothing else, while further packages are
 * still on their way. Nothing in a package can touch what another one brought.
 *
 *   STAGE/<place in the lock>/files/     the data, conffiles as NAME.dpkg-new
 *   STAGE/<place in the lock>/control/   control files, as dpkg keeps them in info/
 *   STAGE/<place in the lock>/names      "/usr/bin/x" a line, as in info/NAME.list
 *   STAGE/<place in the lock>/folders    "MODE UID GID usr/bin" a line
 */
#pragma once

#include "builder/fetch/fetch.h"
#include "builder/root/workplace.h"
#include "common/base/strmap.h"

struct unpack_limits;

/* Limits of what is read back from the stage. */
enum { STAGE_TEXT_MAX = 32 << 20 };

/* Fetches the lock's packages, and stages them below `stage` (absolute; it is made). */
int stage_packages(const struct workplace *w, const struct fetch_options *fetch, const char *stage,
		   struct error *err);

/* One package, open at `fd`, into its folder `place`, which is there and empty; limits: NULL, or those of its data. */
int stage_deb(int fd, int place, const char *label, const struct unpack_limits *limits, struct error *err);

/* Appends the names in a "conffiles" text (without leading slash) to the map's keys; -EBADMSG for a
 * line with a flag (deb-conffiles(5)), which only dpkg handles. */
int stage_conffiles(struct blob text, struct strmap *names);
