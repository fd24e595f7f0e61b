/* What a copy of a tree will need: how many bytes, and whether every name and link passes the receiver's rules. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"

struct tree_check {
	bool ignore_symlinks, allow_symlinks, allow_directories;
	uint64_t bytes;	      /* of files */
	bool needs_all_names; /* a name has characters that only qubes.Filecopy+allow-all-names takes */
};

/* Adds the file or tree at `path`, which would arrive under its last component. 0 or -errno with *err set. */
int tree_check_path(struct tree_check *t, const char *path, struct error *err);
