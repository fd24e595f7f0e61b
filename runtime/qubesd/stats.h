/* admin.vm.Stats: what running qubes use, every stats_interval seconds, while somebody listens. */
#pragma once

#include "runtime/qubesd/daemon.h"

/* Somebody has begun to listen; it ends by itself with the last of them. */
void stats_begin(struct qubesd *d);
