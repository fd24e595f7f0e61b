/*
 * Which names and links a copy may bring (ref/runtime.md 5): nothing that leaves the folder of the transfer, and nothing that
 * looks like something else on a screen.
 */
#pragma once

#include "common/base/blob.h"

/* The flags are those of upstream's library. */
enum name_flags {
	NAME_ALLOW_UNSAFE_CHARACTERS = 1,
	NAME_ALLOW_NON_CANONICAL_SYMLINKS = 2,
	NAME_ALLOW_UNSAFE_SYMLINKS = 4,
	NAME_ALLOW_NON_CANONICAL_PATHS = 8,
	NAME_ALLOW_TRAILING_SLASH = 16,
};

/* 0, or -EILSEQ when the path may not be written. */
int name_check_path(struct blob path, unsigned flags);
/* May a link at `path` point to `target`? 0, -EILSEQ for a bad path or bad characters, -ENOLINK for an unsafe target. */
int name_check_symlink(struct blob path, struct blob target, unsigned flags);
/* Is it UTF-8 of characters that look like what they are? */
bool name_is_safe_text(struct blob text);
/* Is this the name of a qube: 1 to 31 characters, a letter first, none of the names with a meaning? */
bool name_is_qube(struct blob name);
