/* Small things around block devices that several steps need. */
#pragma once

#include "common/base/error.h"
#include "installer/run.h"

/* Waits up to ten seconds for the kernel to show the device node. */
int device_wait(const char *device, struct error *err);
/*
 * Is there a regular file, and no link to one? To be asked before something is read in a file system that a stranger may
 * have made: to open a pipe there would wait for ever.
 */
bool device_has_file(const char *path);
/* The UUID that libblkid finds on it. */
int device_uuid(const char *device, char uuid[UUID_TEXT], struct error *err);
