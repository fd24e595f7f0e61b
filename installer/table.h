/* The partition table on the disk (libfdisk). */
#pragma once

#include "installer/layout.h"

/*
 * For the whole disk: wipes what is known to be on `device` and writes a new GPT with the partitions of the layout,
 * whose own places are wiped of signatures too. Beside others: adds them to the GPT there is, and is -EEXIST when one of
 * their numbers has been taken since. On a block device the kernel has taken the table over when this returns; the
 * device may also be a plain file.
 */
int table_write(const char *device, const struct layout *layout, struct error *err);
/* Are the partitions of the layout on the device, by number, place and name? -ESTALE when not. Opens for reading only. */
int table_check(const char *device, const struct layout *layout, struct error *err);
/* Takes the layout's partitions out of the table again; for those beside others. */
int table_remove(const char *device, const struct layout *layout, struct error *err);
