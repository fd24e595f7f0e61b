/* Somebody asks a run to end (Ctrl-C, SIGTERM): waits end, machines lose their power, disks are removed. */
#pragma once

#include <stdbool.h>

/* From now on; `tell` (async-signal-safe) hears of it at once. */
void stop_catch(void (*tell)(void));
bool stop_asked(void);
