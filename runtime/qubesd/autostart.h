/* Which qubes start with the machine: links to the unit qubes-vm@NAME.service. */
#pragma once

#include "runtime/qubesd/daemon.h"

/* Makes or removes the link, below the daemon's root; 0 or -errno with *err. */
int autostart_set(const struct qubesd *d, const char *name, bool on, struct error *err);
