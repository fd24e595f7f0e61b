/*
 * An ordinary user as root of a user namespace: what needs root (mounts, owners, file capabilities) then works there,
 * and the bytes are those that root gets. Ids 1 to 65535 of the namespace are the user's from subuid(5) and
 * subgid(5), set by newuidmap(1) and newgidmap(1).
 */
#pragma once

#include <stdbool.h>

#include "common/base/error.h"

enum user_ids {
	USER_ALL_IDS, /* 65536 of them: for roots, whose files have other owners */
	USER_OWN_ID,  /* root alone: for reading what is not trusted in the sandbox */
};

/* Root stays what it is. The process must have one thread. -EPERM: the machine does not let users do this; err says
 * what to change. */
int user_become_root(enum user_ids ids, struct error *err);
/* Whether the process is root of a user namespace only. */
bool user_in_namespace(void);
