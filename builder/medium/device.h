/* A disk that an image is to be written to: what it is, and whether anything uses it (sysfs, udev's database). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/error.h"

struct device {
	char *path;   /* as given */
	char *name;   /* "sdb" */
	char *model;  /* "" where nobody knows */
	char *serial; /* "" likewise */
	char *bus;    /* "usb", "" */
	dev_t number;
	uint64_t size; /* bytes */
	bool removable;
};

/*
 * -ENOTBLK: no block device; -EINVAL: a partition, or a disk that cannot be written to. Nothing is opened. End with
 * device_end.
 */
int device_look(const char *path, struct device *d, struct error *err);
void device_end(struct device *d);

/*
 * -EBUSY when the disk or a part of it is mounted, swapped to, or under another device (LUKS, LVM, RAID, loop); err
 * says what it is used for, and what to do about it.
 */
int device_check_unused(const struct device *d, struct error *err);
