/* Scripts that users and packages put into folders, to be run at some point; see run-parts(8). */
#pragma once

#include <stddef.h>

#include "common/base/strv.h"

/*
 * The files of a folder that are no hidden ones, in byte order, as paths; `suffix`: only names that end in it, NULL: all.
 * A folder that is not there has none.
 */
void hook_list(const char *dir, const char *suffix, struct strv *paths);
/*
 * Runs the script argv[0], a path, with the arguments behind it (at most HOOK_WORDS in all) and waits for it; a file
 * without a first line of its own is the shell's, as a shell would have it. One that is no file or not executable is left
 * out: 0. Otherwise as process_run().
 */
int hook_run(const char *const *argv);

enum { HOOK_WORDS = 8 };
