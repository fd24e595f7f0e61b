/*
 * Staged files into the root, by renaming. Nothing that is in the root gives way, but for the plain
 * copies of packages that dpkg unpacks again afterwards.
 */
#pragma once

#include "builder/root/direct/staged.h"
#include "common/base/arena.h"

struct merge {
	int root;
	bool bare; /* there is no dpkg in the root yet: the essential set */
	struct arena *arena;
	struct strmap folders; /* path -> struct merge_folder */
	struct strmap special; /* paths with diversions and overrides, which only dpkg handles */
};

/* dpkg's diversions and overrides of the root. */
int merge_read_special(struct merge *m);
/*
 * Who decides about a folder that several packages bring: with dpkg the first that is unpacked; of
 * the essential set, which is laid out before there is a dpkg, the last. To be called for all
 * packages of a batch in that order.
 */
int merge_note_folders(struct merge *m, const struct staged *s);
/* Whether the package brings nothing that is there already, or that only dpkg can put in its place. */
int merge_fits(const struct merge *m, const struct staged *s, struct error *err);
/* plain: conffiles go to their own place. */
int merge_files(const struct merge *m, const struct staged *s, bool plain, struct error *err);
void merge_end(struct merge *m);
