/* /init of the guest initramfs: see init.h. */
#include "runtime/guest/init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"
#include "runtime/guest/device.h"
#include "runtime/guest/init/cmdline.h"
#include "runtime/guest/init/gpt.h"

#define NEW_ROOT "/newroot"
#define ROOT_DISK "xvda"
#define VOLATILE_DISK "xvdc"
#define MODULES_DISK "xvdd"

/* More than libxl's own limit for connecting a disk, so that a slow dom0 is not mistaken for a
 * missing disk. */
enum { DEVICE_SECONDS = 60, COMMAND_LINE_MAX = 1 << 16 };

static void mount_api(void)
{
	static const struct {
		const char *type, *at;
		unsigned long flags;
	} mounts[] = {
		{"devtmpfs", "/dev", MS_NOSUID},
		{"proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC},
		{"sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC},
	};

	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].at, 0755);
		if (mount(mounts[i].type, mounts[i].at, mounts[i].type, mounts[i].flags, NULL) <
			    0 &&
		    !i)
			break;
	}
	say_open();

	/* The initramfs has no device nodes: give the programs to come their standard descriptors.
	 */
	int fd = open("/dev/console", O_RDWR);
	if (fd < 0)
		fd = open("/dev/null", O_RDWR);
	for (int i = 0; fd >= 0 && i < 3; i++)
		if (fd != i)
			dup2(fd, i);
	if (fd > 2)
		close(fd);
}

/* dom0 starts the kernel with scrubbing off, to save time while memory is handed out; from here on
 * it is needed. */
static void scrub_pages_on(void)
{
	_cleanup_close_ int fd = open("/sys/devices/system/xen_memory/xen_memory0/scrub_pages",
				      O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "1", 1) != 1)
		complain("scrub_pages", "%s", strerror(errno));
}

/* Names the root's device: the partition called `Root filesystem`, or the whole disk when it has no
 * GPT. */
static void find_root(char *name, size_t n)
{
	struct gpt_partition partition;
	int sector_size = 512;

	if (device_wait(ROOT_DISK, DEVICE_SECONDS) < 0)
		stop("/dev/" ROOT_DISK, "the root disk did not appear within %d s", DEVICE_SECONDS);

	_cleanup_close_ int fd = open("/dev/" ROOT_DISK, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		stop("/dev/" ROOT_DISK, "cannot open: %s", strerror(errno));
	ioctl(fd, BLKSSZGET, &sector_size);

	int r = gpt_find(fd, (unsigned)sector_size, ROOT_PARTITION, &partition);
	if (r == -ENODEV) {
		snprintf(name, n, ROOT_DISK);
		return;
	}
	if (r == -ENOENT)
		stop("/dev/" ROOT_DISK, "its partition table has no partition named '%s'",
		     ROOT_PARTITION);
	if (r == -EBADMSG)
		stop("/dev/" ROOT_DISK, "its partition table is damaged");
	if (r < 0)
		stop("/dev/" ROOT_DISK, "cannot read its partition table: %s", strerror(-r));

	snprintf(name, n, ROOT_DISK "%u", partition.number);
	if (device_wait(name, DEVICE_SECONDS) < 0)
		stop(name, "the kernel made no device for this partition");
}

static void mount_root(const char *device)
{
	mkdir(NEW_ROOT, 0755);
	if (mount(device, NEW_ROOT, "ext4", MS_NOATIME, "discard") < 0)
		stop(device, "cannot mount the root file system (ext4): %s", strerror(errno));
}

/* The modules of dom0's kernel, unless the root brings its own. */
static void mount_modules(void)
{
	struct utsname u;
	struct stat st;
	char path[256];
	const char *at = NEW_ROOT "/lib/modules";

	if (lstat(NEW_ROOT "/lib", &st) == 0 && S_ISLNK(st.st_mode))
		at = NEW_ROOT "/usr/lib/modules";
	uname(&u);
	snprintf(path, sizeof(path), "%s/%s/modules.dep", at, u.release);
	if (access(path, F_OK) == 0 || !device_offered(MODULES_DISK))
		return;
	if (device_wait(MODULES_DISK, DEVICE_SECONDS) < 0) {
		complain("/dev/" MODULES_DISK, "the modules disk did not appear within %d s",
			 DEVICE_SECONDS);
		return;
	}
	mkdir(at, 0755);
	if (mount("/dev/" MODULES_DISK, at, "erofs", MS_RDONLY | MS_NODEV | MS_NOSUID, NULL) < 0 &&
	    mount("/dev/" MODULES_DISK, at, "ext4", MS_RDONLY | MS_NODEV | MS_NOSUID, NULL) < 0)
		complain("/dev/" MODULES_DISK, "cannot mount the kernel modules: %s",
			 strerror(errno));
}

/* What the root starts: /sbin/init, unless the qube's kernelopts name another. */
static char *find_program(const char *device)
{
	_cleanup_strbuf_ struct strbuf line = {0};
	_cleanup_free_ char *path = NULL;
	struct blob named = {0};

	if (read_file(AT_FDCWD, "/proc/cmdline", COMMAND_LINE_MAX, &line) == 0)
		named = cmdline_init(strbuf_blob(&line));
	if (!named.n)
		named = BLOB("/sbin/init");
	path = xasprintf(NEW_ROOT "%.*s", BLOB_ARG(named));
	if (access(path, X_OK) < 0)
		stop(device, "the root file system has no %.*s", BLOB_ARG(named));
	return blob_dup(named);
}

static void enable_swap(void)
{
	if (device_offered(VOLATILE_DISK) && device_wait(VOLATILE_DISK, DEVICE_SECONDS) == 0)
		swap_enable("/dev/" VOLATILE_DISK);
}

int main(void)
{
	char root[32], device[64];

	if (getpid() != 1) {
		fprintf(stderr, "guest-init: only for process 1 of a qube\n");
		return 1;
	}
	mount_api();
	scrub_pages_on();
	modules_load("/modules");
	find_root(root, sizeof(root));
	snprintf(device, sizeof(device), "/dev/%s", root);
	mount_root(device);
	char *init = find_program(device);
	mount_modules();
	enable_swap();
	say("root is %s", device);

	int r = switch_root(NEW_ROOT, init);
	stop(init, "cannot be started: %s", strerror(-r));
}
