/*
 * qubes-block-serve add|remove: in a qube, what udev runs when the kernel has a backend device for a disk that another
 * qube is to have, and when it has it no longer: what libxl's script does in dom0. XENBUS_PATH is the device's directory
 * in xenstore. What stands there comes from dom0; nothing of the other qube's is read.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "runtime/block/vbd.h"

static int add(const struct vbd *v)
{
	_cleanup_free_ char *params = vbd_read(v, "params"), *mode = vbd_read(v, "mode"),
			    *status = vbd_read(v, "hotplug-status");

	/* udev was asked to tell of all devices once more. */
	if (status)
		return 0;
	return vbd_give_device(v, params, mode);
}

/* Nobody else removes the directory when the backend is not dom0, and libxl waits for that. */
static int forget(const struct vbd *v)
{
	_cleanup_free_ char *online = vbd_read(v, "online");

	return online && !strcmp(online, "0") && !xs_rm(v->xs, XBT_NULL, v->path);
}

int main(int argc, char **argv)
{
	struct vbd v = {.path = getenv("XENBUS_PATH"), .program = "qubes-block-serve"};
	int r;

	if (argc != 2 || (strcmp(argv[1], "add") != 0 && strcmp(argv[1], "remove") != 0) || !v.path ||
	    strncmp(v.path, "backend/vbd/", strlen("backend/vbd/")) != 0) {
		fprintf(stderr, "qubes-block-serve: usage: qubes-block-serve add|remove, with XENBUS_PATH set, as udev does\n");
		return 2;
	}
	v.xs = xs_open(0);
	if (!v.xs) {
		fprintf(stderr, "qubes-block-serve: xenstore: %s\n", strerror(errno));
		return 1;
	}
	r = strcmp(argv[1], "add") ? forget(&v) : add(&v);
	xs_close(v.xs);
	return r;
}
