/*
 * qubesd-block add|remove: what libxl runs for each disk of a domain (`script=`). `add` gives the
 * image file a loop device and tells the kernel's block backend which one, `remove` has nothing
 * left to do but to forget it: the device is set to vanish with its last user, so that none is left
 * behind whatever gets killed. Block devices of dom0 are given by the rules for all of them
 * (../../block). XENBUS_PATH, from libxl, is the directory of vbd.h.
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
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "runtime/block/vbd.h"

enum {
	SECTOR = 512,
	LOOP_TRIES = 64, /* others take free devices at the same time */
};

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

/* Our descriptor is what keeps the loop device alive until the backend has opened it. */
static int give_file(const struct vbd *v, const char *path, bool readonly)
{
	_cleanup_close_ int file = open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY), fd = -1;
	char name[32];
	struct stat st;

	if (file < 0)
		return vbd_fail(v, path, "cannot be opened", -errno);
	fd = loop_open(file, readonly, name);
	if (fd < 0)
		return vbd_fail(v, path, "cannot make a block device of it", fd);
	if (fstat(fd, &st) < 0)
		return vbd_fail(v, name, "cannot look at it", -errno);
	return vbd_give(v, name, st.st_rdev);
}

static int add(const struct vbd *v)
{
	_cleanup_free_ char *path = vbd_read(v, "params"), *mode = vbd_read(v, "mode");
	struct stat st;

	if (!path || !mode)
		return vbd_fail(v, v->path, "no params or mode in xenstore", 0);
	if (stat(path, &st) < 0)
		return vbd_fail(v, path, "cannot look at it", -errno);
	if (S_ISBLK(st.st_mode))
		return vbd_give_device(v, path, mode);
	return S_ISREG(st.st_mode) ? give_file(v, path, mode[0] != 'w') : vbd_fail(v, path, "neither file nor block device", 0);
}

int main(int argc, char **argv)
{
	struct vbd v = {.path = getenv("XENBUS_PATH"), .program = "qubesd-block"};
	int r;

	if (argc < 2 || !v.path) {
		fprintf(stderr, "qubesd-block: usage: qubesd-block add|remove, with XENBUS_PATH "
				"set, as libxl does\n");
		return 2;
	}
	if (!strcmp(argv[1], "remove"))
		return 0;
	if (strcmp(argv[1], "add") != 0)
		return 2;
	v.xs = xs_open(0);
	if (!v.xs) {
		fprintf(stderr, "qubesd-block: cannot reach xenstored: %s\n", strerror(errno));
		return 1;
	}
	r = add(&v);
	xs_close(v.xs);
	return r;
}
