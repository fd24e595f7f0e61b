#include "installer/eject.h"

#include <fcntl.h>
#include <limits.h>
#include <scsi/sg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/mounts.h"

enum { NOTE_MAX = 64, EJECT_TIMEOUT_MS = 30000 };

/* The kernel's name of the device "major:minor"; NULL: not known. */
static char *device_name(const char *sys, struct blob number)
{
	_cleanup_free_ char *link = xasprintf("%s/dev/block/%.*s", sys, (int)number.n, number.p);
	char target[PATH_MAX];
	ssize_t n = readlink(link, target, sizeof(target) - 1);
	const char *slash;

	if (n <= 0)
		return NULL;
	target[n] = '\0';
	slash = strrchr(target, '/');
	return xstrdup(slash ? slash + 1 : target);
}

int eject_prepare(const char *proc, const char *sys, const char *medium, const char *note, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	_cleanup_free_ char *name = NULL;
	struct mount_entry m;
	struct blob rest;
	int r = mounts_read(proc, &text);

	if (r < 0)
		return error_errno(err, r, proc, "cannot read the list of mounts");
	rest = strbuf_blob(&text);
	while (mounts_next(&rest, &m))
		if (blob_eq_str(m.point, medium)) {
			free(name);
			name = device_name(sys, m.number);
		}
	if (!name || strncmp(name, "sr", 2) != 0)
		return error_set(err, -ENODEV, medium, "remove it before the next start", "is no disc that can be ejected");
	r = write_file(AT_FDCWD, note, name, strlen(name), 0600);
	return r < 0 ? error_errno(err, r, note, "cannot write") : 0;
}

/* A command of SCSI without data, as optical drives of every bus take it. */
static int send(int fd, unsigned char command[6])
{
	unsigned char sense[32];
	struct sg_io_hdr io = {
		.interface_id = 'S', .dxfer_direction = SG_DXFER_NONE, .cmdp = command, .cmd_len = 6, .sbp = sense,
		.mx_sb_len = sizeof(sense), .timeout = EJECT_TIMEOUT_MS,
	};

	if (ioctl(fd, SG_IO, &io))
		return -errno;
	return io.status || io.host_status || io.driver_status ? -EIO : 0;
}

/* CDROMEJECT would say EBUSY: the live system is mounted from it to the end. */
static int open_tray(const char *device)
{
	/* PREVENT ALLOW MEDIUM REMOVAL: allow. START STOP UNIT: stop, with LOEJ. */
	unsigned char allow[6] = {0x1e}, stop[6] = {0x1b, 0, 0, 0, 2};
	_cleanup_close_ int fd = open(device, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	int r = fd < 0 ? -errno : send(fd, allow);

	return r < 0 ? r : send(fd, stop);
}

int eject_now(const char *note, struct error *err)
{
	_cleanup_strbuf_ struct strbuf name = {0};
	_cleanup_free_ char *device = NULL;
	int r = read_file(AT_FDCWD, note, NOTE_MAX, &name);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return error_errno(err, r, note, "cannot read");
	device = xasprintf("/dev/%.*s", (int)name.n, strbuf_blob(&name).p);
	r = open_tray(device);
	return r < 0 ? error_errno(err, r, device, "cannot open the tray") : 0;
}
