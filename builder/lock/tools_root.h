/* The tools image's root, for the apt in it. */
#pragma once

#include "builder/fetch/fetch.h"
#include "builder/store.h"
#include "common/base/error.h"

/*
 * Path of the finished root of tools-image in the store, built from its lock when the store has it
 * not. The caller frees *root.
 */
int lock_tools_root(const struct fetch_options *fetch, const char *source_root, const char *version,
		    struct store *store, char **root, struct error *err);
