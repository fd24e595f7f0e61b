#include "runtime/guest/device.h"

#include <stdio.h>
#include <unistd.h>

#include "common/sys/notice.h"

/* The kernel makes device nodes itself (devtmpfs), so their appearance in /dev is the event to wait
 * for. */
int device_wait(const char *name, int seconds)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/%s", name);
	return notice_wait(path, seconds * 1000);
}

/* Xen's number of an xvd disk is major 202, minor 16 times the letter's place (Xen
 * docs/man/xen-vbd-interface.7). */
bool device_offered(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/bus/xen/devices/vbd-%d",
		 202 << 8 | (name[3] - 'a') << 4);
	return access(path, F_OK) == 0;
}
