/*
 * qubesd-block add|remove: what libxl runs for each disk of a domain (`script=`). `add` gives the
 * image file a loop device and tells the kernel's block backend which one, `remove` has nothing
 * left to do but to forget it: the device is set to vanish with its last user, so that none is left
 * behind whatever gets killed.
 *
 * From libxl: XENBUS_PATH, the backend's directory in xenstore with `params` (the file) and `mode`
 * (w or r). To it: `physical-device` (MAJOR:MINOR, hexadecimal) and `hotplug-status`, or
 * `hotplug-error` (Xen docs/misc/xenstore-paths, block-scripts).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>
#include <xenstore.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"

enum {
	SECTOR = 512,
	LOOP_TRIES = 64,	 /* others take free devices at the same time */
	BACKEND_WAIT_MS = 20000, /* until the kernel has opened the device */
	POLL_MS = 5,
};

static struct xs_handle *xs;
static const char *backend;

static char *store_read(const char *key)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", backend, key);

	return xs_read(xs, XBT_NULL, path, NULL);
}

static int store_write(const char *key, const char *value)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", backend, key);

	return xs_write(xs, XBT_NULL, path, value, (unsigned)strlen(value)) ? 0 : -errno;
}

static int fail(const char *object, const char *what, int r)
{
	_cleanup_free_ char *text = xasprintf("%s: %s: %s", object, what, strerror(-r));

	fprintf(stderr, "qubesd-block: %s\n", text);
	store_write("hotplug-error", text);
	store_write("hotplug-status", "error");
	return 1;
}

/* One free loop device bound to the file; -EBUSY when another process was faster. */
static int loop_try(int control, int file, bool readonly, char name[32])
{
	struct loop_config config = {
		.fd = (unsigned)file,
		.block_size = SECTOR,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO |
				 (readonly ? LO_FLAGS_READ_ONLY : 0),
	};
	int number = ioctl(control, LOOP_CTL_GET_FREE);
	_cleanup_close_ int fd = -1;

	if (number < 0)
		return -errno;
	snprintf(name, 32, "/dev/loop%d", number);
	fd = open(name, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, LOOP_CONFIGURE, &config) == 0)
		return take_fd(&fd);
	/* A file system without direct I/O for this file: through the page cache then. */
	config.info.lo_flags &= ~(unsigned)LO_FLAGS_DIRECT_IO;
	if (errno == EINVAL && ioctl(fd, LOOP_CONFIGURE, &config) == 0)
		return take_fd(&fd);
	return -errno;
}

static int loop_open(int file, bool readonly, char name[32])
{
	_cleanup_close_ int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int fd = -EBUSY;

	if (control < 0)
		return -errno;
	for (int i = 0; i < LOOP_TRIES && fd == -EBUSY; i++)
		fd = loop_try(control, file, readonly, name);
	return fd;
}

/* The block device to hand to the backend, opened: the one named, or a loop device over the file.
 */
static int device_open(const char *path, bool readonly, char name[32])
{
	_cleanup_close_ int file =
		open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY);
	struct stat st;

	if (file < 0 || fstat(file, &st) < 0)
		return -errno;
	name[0] = 0;
	if (S_ISBLK(st.st_mode))
		return take_fd(&file);
	return S_ISREG(st.st_mode) ? loop_open(file, readonly, name) : -ENOTBLK;
}

/*
 * Our descriptor is what keeps the loop device alive until the backend has opened it, which its
 * attribute physical_device in sysfs shows. backend/vbd/DOMID/DEVID is the device vbd-DOMID-DEVID.
 */
static int wait_for_backend(void)
{
	const char *devid = strrchr(backend, '/'), *domid = devid;
	_cleanup_free_ char *attribute = NULL;

	while (domid && domid > backend && domid[-1] != '/')
		domid--;
	if (!domid || domid == backend)
		return -EINVAL;
	attribute = xasprintf("/sys/bus/xen-backend/devices/vbd-%.*s-%s/physical_device",
			      (int)(devid - domid), domid, devid + 1);
	for (int waited = 0; waited < BACKEND_WAIT_MS; waited += POLL_MS) {
		if (access(attribute, F_OK) == 0)
			return 0;
		nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000}, NULL);
	}
	return -ETIMEDOUT;
}

static int add(void)
{
	_cleanup_free_ char *path = store_read("params"), *mode = store_read("mode"),
			    *number = NULL;
	_cleanup_close_ int fd = -1;
	char name[32];
	struct stat st;
	int r;

	if (!path || !mode)
		return fail(backend, "no params or mode in xenstore", -ENOENT);
	fd = device_open(path, mode[0] != 'w', name);
	if (fd < 0)
		return fail(path, "cannot make a block device of it", fd);
	if (fstat(fd, &st) < 0)
		return fail(path, "cannot look at its device", -errno);
	number = xasprintf("%x:%x", major(st.st_rdev), minor(st.st_rdev));
	r = store_write("physical-device", number);
	if (r == 0)
		r = store_write("physical-device-path", name[0] ? name : path);
	if (r == 0)
		r = wait_for_backend();
	if (r < 0)
		return fail(path, "the backend did not take it", r);
	r = store_write("hotplug-status", "connected");
	return r < 0 ? fail(path, "cannot report to xenstore", r) : 0;
}

int main(int argc, char **argv)
{
	int r;

	backend = getenv("XENBUS_PATH");
	if (argc < 2 || !backend) {
		fprintf(stderr, "qubesd-block: usage: qubesd-block add|remove, with XENBUS_PATH "
				"set, as libxl does\n");
		return 2;
	}
	if (!strcmp(argv[1], "remove"))
		return 0;
	if (strcmp(argv[1], "add") != 0)
		return 2;
	xs = xs_open(0);
	if (!xs) {
		fprintf(stderr, "qubesd-block: cannot reach xenstored: %s\n", strerror(errno));
		return 1;
	}
	r = add();
	xs_close(xs);
	return r;
}
