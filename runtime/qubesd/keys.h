/* What a qube finds in its QubesDB when it starts (ref/runtime.md 4.2). */
#pragma once

#include "common/base/error.h"
#include "runtime/qubesd/daemon.h"

struct keys;

/* The keys of a qube about to run; from the arena. */
struct keys *keys_collect(const struct qubesd *d, const struct vm *vm, struct arena *a);
/* Writes them through the qube's qubesdb-daemon; blocks, for a child. arg is the struct keys. */
int keys_write(const void *arg, struct error *err);
