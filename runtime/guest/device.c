#include "runtime/guest/device.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/sys/clock.h"

/* The kernel makes device nodes itself (devtmpfs), so their appearance in /dev is the event to wait
 * for. */
int device_wait(const char *name, int seconds)
{
	int64_t end = now_ms() + (int64_t)seconds * 1000, left;
	_cleanup_close_ int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char path[64], events[4096];

	snprintf(path, sizeof(path), "/dev/%s", name);
	if (fd >= 0)
		inotify_add_watch(fd, "/dev", IN_CREATE | IN_MOVED_TO);
	while (access(path, F_OK) < 0) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		left = end - now_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)left) > 0)
			while (read(fd, events, sizeof(events)) > 0)
				;
	}
	return 0;
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
