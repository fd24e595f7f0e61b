/* Disks of a qube, as the kernel's Xen front-end announces them. No udev is needed. */
#pragma once

#include <stdbool.h>

/* Waits until /dev/`name` exists, at most `seconds`. Returns 0 or -ETIMEDOUT. */
int device_wait(const char *name, int seconds);

/* Does Xen offer this qube the disk `name` (xvda to xvdz)? Known before its driver has connected.
 */
bool device_offered(const char *name);
