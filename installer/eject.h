/*
 * Throwing out the disc that the live system runs from. Nothing can be read from it afterwards, so the installer only
 * notes the drive, and systemd's last step before the machine stops, /usr/lib/systemd/system-shutdown, does it.
 */
#pragma once

#include <stdbool.h>

#include "common/base/error.h"

#define EJECT_NOTE "/run/bulkhead/eject"

/*
 * Notes the optical drive that is mounted on `medium`, by the kernel's lists below `proc` and `sys`, in the file `note`.
 * -ENODEV: it is no disc, and a person has to remove it.
 */
int eject_prepare(const char *proc, const char *sys, const char *medium, const char *note, struct error *err);
/* Opens the tray of the noted drive, whatever is mounted from it. Without a note nothing happens. */
int eject_now(const char *note, struct error *err);
