/* Image files of volumes: made and copied whole or not at all. All may block: for a child. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"

/*
 * `to` gets the content of `from`: a clone where the file system can, else a sparse copy, which one
 * line on stderr announces. What was there before is replaced only when all is done.
 */
int image_clone(const char *from, const char *to, struct error *err);
/* Can the file system of this directory clone files? */
bool image_can_clone(const char *dir);
/* An empty image of that size. */
int image_sparse(const char *path, uint64_t size, struct error *err);
/* The content of a file is on the disk. 0 or -errno. */
int image_sync(const char *path);
