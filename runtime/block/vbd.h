/*
 * A disk that this domain gives to another: the backend's directory in xenstore, backend/vbd/DOMID/DEVID. libxl writes
 * `params` (a path) and `mode` (with a w: to be written) into it; `physical-device` (MAJOR:MINOR, hexadecimal) tells the
 * kernel's driver which device it is, `hotplug-status` libxl what came of it (Xen docs/misc/xenstore-paths, block-scripts).
 */
#pragma once

#include <sys/stat.h>
#include <xenstore.h>

struct vbd {
	struct xs_handle *xs;
	const char *path;
	const char *program; /* for messages */
};

/* Allocated; NULL without it. */
char *vbd_read(const struct vbd *v, const char *key);
/* Says on stderr and in xenstore why it is not given, with what the errno `code` (negative, or 0) means; returns 1. */
int vbd_fail(const struct vbd *v, const char *object, const char *why, int code);
/* Hands over the device with that number, which the caller keeps open meanwhile. 0, or 1 after vbd_fail(). */
int vbd_give(const struct vbd *v, const char *device, dev_t number);
/*
 * Hands over the device at that path of ours, if other qubes can have it and nothing here uses it, and tells QubesDB what
 * else is no longer to be had. 0, or 1 after vbd_fail().
 */
int vbd_give_device(const struct vbd *v, const char *params, const char *mode);
