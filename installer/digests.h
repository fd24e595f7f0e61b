/*
 * The digests of all files that were copied, in the form of sha256sum(1): "DIGEST  PATH", with a backslash before the
 * digest when PATH has line ends and backslashes written as \n and \\. On the target it stays: what was installed can
 * be compared with it at any time.
 */
#pragma once

#include <stdio.h>

#include "installer/copy.h"

#define DIGESTS_FILE "var/lib/bulkhead/root.sha256"

/* 0 or -errno. */
int digests_write(FILE *f, const char *path, const char hex[SHA256_HEX]);
/*
 * Reads every listed file below `root` from the disk, not from memory, and compares. -EBADMSG naming the first file that
 * differs; -EBADMSG too when a line is none.
 */
int digests_compare(const char *list, const char *root, const struct copy_watch *watch, struct error *err);
