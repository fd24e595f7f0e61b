/* The subcommands of `bulkhead`, and what they share. */
#pragma once

#include "common/base/error.h"

/* What every subcommand returns to the shell. */
enum exit_code {
	EXIT_CODE_OK = 0,
	EXIT_CODE_FAILED = 1, /* one line on stderr says what */
	EXIT_CODE_USAGE = 2,
	EXIT_CODE_DIFFERENT = 3, /* diff: done, and there are differences */
};

/* argv[0] is the subcommand's name. Returns an exit code, having printed the one line itself. */
typedef int command_fn(int argc, char **argv);

command_fn cmd_build; /* builder/build.c */
command_fn cmd_diff, cmd_shell, cmd_why; /* builder/inspect/ */
command_fn cmd_gc;    /* builder/gc.c */
command_fn cmd_lock;  /* builder/lock/ */
command_fn cmd_key, cmd_sign, cmd_verify, cmd_write; /* builder/medium/ */

/*
 * Root of the source tree: the nearest folder upwards from the current one that holds VERSION and
 * builder/; the current one when there is none. Absolute; the caller's.
 */
char *source_root(void);
/* The text of VERSION there, without line end; "0" when there is none. The caller's. */
char *source_version(const char *root);
