/*
 * What stands on a disk while it is not mounted: swap, device-mapper (LUKS, LVM) and MD devices of an earlier system or
 * try. Taken down from the top, so that the disk is free.
 */
#pragma once

#include "installer/facts/facts.h"

/* -EBUSY naming device and mount point when something on it is mounted: that is nobody's left-over. */
int stack_release(const struct disk *disk, struct error *err);
