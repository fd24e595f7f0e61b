/*
 * Where the receiver works: a folder that is the root of all it can name, mounted without devices, programs and set-uid bits; as
 * the user; with the few system calls that it needs.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/error.h"

struct jail {
	bool namespace, landlock, seccomp; /* which of the walls hold */
};

/*
 * Enters the folder as the user `uid` with his group `gid`. Root must get its mount namespace; others what the kernel gives.
 * Afterwards the descriptor `folder` is the new root.
 */
int jail_enter(struct jail *j, int folder, uid_t uid, gid_t gid, struct error *err);
/* The last wall, once all is prepared. */
int jail_seal(struct jail *j, struct error *err);
