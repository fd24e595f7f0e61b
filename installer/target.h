/* The disk being installed while it is open: what is mounted where, and how it is taken down. */
#pragma once

#include "installer/plan.h"

/* Unmounts everything below the target and closes our mapping; fine when nothing is there. */
int target_release(const struct plan *plan, struct error *err);
