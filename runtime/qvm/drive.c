/* Drives that a qube has for one start (qvm-start --drive): see qvm.h. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/sys/process.h"
#include "runtime/qvm/qvm.h"

enum { OUTPUT_MAX = 4096, TELL_TRIES = 50, TELL_PAUSE_MS = 100 };

/* The first line that the program prints, without its end; NULL after a message. */
static char *first_line(const char *const *argv)
{
	_cleanup_strbuf_ struct strbuf out = {0};
	int r = process_capture(argv, OUTPUT_MAX, &out);

	if (r == 0 && out.n)
		return blob_dup((struct blob){out.p, strcspn(out.p, "\n")});
	if (r < 0)
		fprintf(stderr, "qvm-start: %s: %s\n", argv[0], strerror(-r));
	return NULL;
}

/* A file of the backend as a block device of it: the name below /dev, or NULL after a message. */
static char *loop_device(const char *backend, const char *path, bool read_only)
{
	const char *option = read_only ? "--read-only" : NULL;
	_cleanup_strbuf_ struct strbuf command = {0};
	_cleanup_free_ char *node = NULL;
	/* Without the option its place is where the operands begin. */
	const char *const here[] = {"losetup", "--find", "--show", option ? option : path, option ? path : NULL, NULL};
	const char *there[] = {"qrexec-client", "-d", backend, NULL, NULL};

	strbuf_printf(&command, "root:losetup --find --show %s ", option ? option : "");
	strbuf_add_quoted(&command, path);
	there[3] = command.p;
	node = first_line(strcmp(backend, "dom0") ? there : here);
	if (node && !strncmp(node, "/dev/", 5))
		return xstrdup(node + 5);
	fprintf(stderr, "qvm-start: %s:%s: cannot be made a block device; does the file exist there?\n", backend, path);
	return NULL;
}

/* A new device is told of by the backend's udev. */
static void wait_until_told(const char *backend, const char *port)
{
	for (int i = 0; i < TELL_TRIES; i++) {
		_cleanup_strbuf_ struct strbuf out = {0};

		if (qvm_call(backend, "admin.vm.device.block.Available", port, NULL, &out) || out.n)
			return;
		poll(NULL, 0, TELL_PAUSE_MS);
	}
}

/* BACKEND:DEVICE or BACKEND:/FILE to the argument of a method; NULL after a message. */
static char *device_of(const char *spec, bool read_only)
{
	_cleanup_free_ char *backend = xstrdup(spec), *loop = NULL;
	char *device = strchr(backend, ':');

	if (!device || !device[1]) {
		fprintf(stderr, "qvm-start: %s: a drive is BACKEND:DEVICE or BACKEND:/FILE\n", spec);
		return NULL;
	}
	*device++ = 0;
	if (!strncmp(device, "/dev/", 5)) {
		device += 5;
	} else if (*device == '/') {
		device = loop = loop_device(backend, device, read_only);
		if (!loop)
			return NULL;
		wait_until_told(backend, loop);
	}
	for (char *p = device; *p; p++)
		*p = *p == '/' ? '_' : *p;
	return xasprintf("%s+%s+_", backend, device);
}

char *qvm_drive_assign(const char *vm, const char *drive)
{
	bool disk = !strncmp(drive, "hd:", 3);
	const char *spec = disk ? drive + 3 : !strncmp(drive, "cdrom:", 6) ? drive + 6 : drive;
	char *device = device_of(spec, !disk);

	if (device && !qvm_call(vm, "admin.vm.device.block.Assign", device,
				disk ? "mode='required' _devtype='disk'"
				     : "mode='required' _devtype='cdrom' _read-only='yes'",
				NULL))
		return device;
	free(device);
	return NULL;
}

int qvm_drive_unassign(const char *vm, const char *device)
{
	return qvm_call(vm, "admin.vm.device.block.Unassign", device, NULL, NULL);
}
