/*
 * Earlier versions of a volume, kept beside it as `<vol>.img.N@TIMEZ` (ref/runtime.md 7.6). They are
 * second names of what was committed before, so they cost only what has changed since.
 */
#pragma once

#include "runtime/qubesd/storage.h"

/*
 * `path` becomes the committed image of the volume, the one before a revision, and revisions beyond
 * those to keep go. A crash at any point leaves a committed image and, until the last moment, path.
 */
int revision_replace(const struct storage_volume *v, const char *path, struct error *err);
/* The file of a revision, allocated; NULL: the name is none. */
char *revision_path(const struct storage_volume *v, const char *name);
