/* The kernel's lists of what is mounted and of what is swapped to, line by line. */
#pragma once

#include "common/base/blob.h"
#include "common/base/strbuf.h"

struct mount_entry {
	struct blob number; /* major:minor; Btrfs has numbers of its own here, and only `source` tells its device */
	struct blob point, source; /* as the kernel writes them: see mounts_unescape() */
};

/* Appends PROC/self/mountinfo or PROC/swaps. -errno as read_file(). */
int mounts_read(const char *proc, struct strbuf *out);
int swaps_read(const char *proc, struct strbuf *out);
/* Takes the next one of a list, in the order they were made; false: there are no more. */
bool mounts_next(struct blob *list, struct mount_entry *out);
/* The same for swaps: their file or device. */
bool swaps_next(struct blob *list, struct blob *out);
/* The kernel writes blanks in names as \040; allocated. */
char *mounts_unescape(struct blob text);
