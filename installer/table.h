/* The partition table on the disk (libfdisk). */
#pragma once

#include "installer/layout.h"

/*
 * Wipes what is known to be on `device` and writes a new GPT with the partitions of the layout, whose own places are
 * wiped of signatures too. On a block device the kernel has taken the table over when this returns; the device may
 * also be a plain file.
 */
int table_write(const char *device, const struct layout *layout, struct error *err);
