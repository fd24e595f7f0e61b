/* The disk being installed while it is open: what is mounted where, and how it is taken down. */
#pragma once

#include "installer/plan.h"

/* Everything at and below the folder, the last mounted first; fine when nothing is there. */
int target_unmount(const char *target, struct error *err);
/* Unmounts everything below the target and closes our mapping; fine when nothing is there. */
int target_release(const char *target, struct error *err);
