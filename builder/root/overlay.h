/* The definition's overlay, laid over a root. */
#pragma once

#include "common/base/error.h"

/*
 * Copies the tree below `from` over the one below `to`: owned by root; directories 0755, files 0644
 * or, when their owner may execute them, 0755 (what git keeps of modes); times as the epoch. A link
 * or file replaces what is there; a directory never replaces a file. For use in the sandbox.
 */
int overlay_apply(int from, int to, unsigned long long epoch, struct error *err);
