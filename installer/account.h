/* One user account in the files of a root that is not running: passwd(5), shadow(5), group(5), gshadow(5). */
#pragma once

#include "common/base/error.h"
#include "installer/secret.h"

/* -EEXIST when user or group `name` is in the root already. */
int account_check_free(const char *root, const char *name, struct error *err);
/*
 * Adds user and group `name` with the first free id from 1000, a home folder filled from etc/skel, bash where the
 * root has it, and membership in `groups` (NULL-terminated; one that is missing is made as a system group). The
 * password is kept as a yescrypt hash; without one (p is NULL) it is locked. All files are replaced atomically.
 */
int account_create(const char *root, const char *name, const struct secret *password, const char *const *groups,
		   struct error *err);
