#include "runtime/block/vbd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/process.h"
#include "runtime/block/devices.h"

enum {
	BACKEND_WAIT_MS = 20000, /* until the kernel has opened the device */
	POLL_MS = 5,
};

char *vbd_read(const struct vbd *v, const char *key)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", v->path, key);

	return xs_read(v->xs, XBT_NULL, path, NULL);
}

static int vbd_write(const struct vbd *v, const char *key, const char *value)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", v->path, key);

	return xs_write(v->xs, XBT_NULL, path, value, (unsigned)strlen(value)) ? 0 : -errno;
}

int vbd_fail(const struct vbd *v, const char *object, const char *why, int code)
{
	_cleanup_free_ char *text = xasprintf("%s: %s%s%s", object, why, code ? ": " : "", code ? strerror(-code) : "");

	fprintf(stderr, "%s: %s\n", v->program, text);
	vbd_write(v, "hotplug-error", text);
	vbd_write(v, "hotplug-status", "error");
	return 1;
}

/* That the backend has the device open shows in sysfs: backend/vbd/DOMID/DEVID is its device vbd-DOMID-DEVID. */
static int wait_for_backend(const struct vbd *v)
{
	const char *devid = strrchr(v->path, '/'), *domid = devid;
	_cleanup_free_ char *attribute = NULL;

	while (domid && domid > v->path && domid[-1] != '/')
		domid--;
	if (!domid || domid == v->path)
		return -EINVAL;
	attribute = xasprintf("/sys/bus/xen-backend/devices/vbd-%.*s-%s/physical_device", (int)(devid - domid), domid, devid + 1);
	for (int waited = 0; waited < BACKEND_WAIT_MS; waited += POLL_MS) {
		if (access(attribute, F_OK) == 0)
			return 0;
		poll(NULL, 0, POLL_MS);
	}
	return -ETIMEDOUT;
}

int vbd_give(const struct vbd *v, const char *device, dev_t number)
{
	_cleanup_free_ char *text = xasprintf("%x:%x", major(number), minor(number));
	int r = vbd_write(v, "physical-device", text);

	if (r == 0)
		r = vbd_write(v, "physical-device-path", device);
	if (r == 0)
		r = wait_for_backend(v);
	if (r < 0)
		return vbd_fail(v, device, "the backend did not take it", r);
	r = vbd_write(v, "hotplug-status", "connected");
	return r < 0 ? vbd_fail(v, device, "cannot report to xenstore", r) : 0;
}

/* O_EXCL: not while this system has mounted it or uses it otherwise, whatever we have seen before. */
static int open_unused(const char *path, const struct block_device *d, dev_t *number)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_EXCL | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_free_ char *found = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	found = xasprintf("%u:%u", major(st.st_rdev), minor(st.st_rdev));
	if (!S_ISBLK(st.st_mode) || strcmp(found, d->number) != 0)
		return -ENOTBLK;
	*number = st.st_rdev;
	return take_fd(&fd);
}

int vbd_give_device(const struct vbd *v, const char *params, const char *mode)
{
	static const char *const publish[] = {"/usr/lib/qubes/qubes-block-devices", "publish", NULL};
	_cleanup_block_list_ struct block_list l = {0};
	const struct block_device *d;
	_cleanup_close_ int fd = -1;
	const char *why;
	dev_t number = 0;
	int r;

	block_look("", &l);
	d = block_requested(&l, params, mode, &why);
	if (!d)
		return vbd_fail(v, params ? params : v->path, why, 0);
	fd = open_unused(params, d, &number);
	if (fd < 0)
		return vbd_fail(v, params, "cannot be opened", fd);
	r = vbd_give(v, params, number);
	if (r == 0)
		process_run(&(struct process){.argv = publish, .null_stdin = 1});
	return r;
}
