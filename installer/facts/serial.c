#include "installer/facts/source.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "common/sys/file.h"

/*
 * SPC-4 7.8.15 "Unit Serial Number VPD page": a header of four bytes, the last two of them the length. libata makes
 * this page for ATA disks as well.
 */
static const char *serial_vpd(struct arena *a, int disk_fd)
{
	_cleanup_strbuf_ struct strbuf page = {0};
	size_t n;

	if (read_file(disk_fd, "device/vpd_pg80", 4096, &page) < 0 || page.n < 4)
		return NULL;
	n = (size_t)(unsigned char)page.p[2] << 8 | (unsigned char)page.p[3];
	if (n > page.n - 4)
		n = page.n - 4;
	return facts_clean(a, (struct blob){page.p + 4, n});
}

/* A USB bridge answers VPD as it likes; what the owner can read on the stick is the USB device's own serial. */
static const char *serial_usb(struct arena *a, int disk_fd)
{
	char path[64] = "device";

	for (size_t up = 0; up < 12; up++) {
		char file[96];

		snprintf(file, sizeof(file), "%s/idVendor", path);
		if (!faccessat(disk_fd, file, F_OK, 0)) {
			snprintf(file, sizeof(file), "%s/serial", path);
			return facts_line(a, disk_fd, file);
		}
		snprintf(path + strlen(path), sizeof(path) - strlen(path), "/..");
	}
	return NULL;
}

const char *facts_serial(struct arena *a, int disk_fd)
{
	const char *serial = facts_line(a, disk_fd, "serial"); /* virtio-blk */

	if (!serial)
		serial = facts_line(a, disk_fd, "device/serial"); /* NVMe, MMC */
	if (!serial)
		serial = serial_usb(a, disk_fd);
	if (!serial)
		serial = serial_vpd(a, disk_fd); /* SCSI, ATA */
	return serial;
}
