#include "installer/device.h"

#include <blkid/blkid.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/sys/clock.h"

int device_wait(const char *device, struct error *err)
{
	for (unsigned i = 0; access(device, F_OK); i++) {
		if (i == 200)
			return error_set(err, -ENODEV, device, "see the kernel's messages (dmesg)",
					 "the kernel does not show this device after 10 seconds");
		sleep_ms(50);
	}
	return 0;
}

bool device_has_file(const char *path)
{
	struct stat st;

	return !lstat(path, &st) && S_ISREG(st.st_mode);
}

int device_uuid(const char *device, char uuid[UUID_TEXT], struct error *err)
{
	blkid_probe probe = blkid_new_probe_from_filename(device);
	const char *value = NULL;

	if (!probe)
		return error_errno(err, errno ? -errno : -EIO, device, "cannot read");
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_UUID);
	if (blkid_do_safeprobe(probe) == 0)
		blkid_probe_lookup_value(probe, "UUID", &value, NULL);
	if (value && strlen(value) < UUID_TEXT)
		snprintf(uuid, UUID_TEXT, "%s", value);
	else
		value = NULL;
	blkid_free_probe(probe);
	if (!value)
		return error_set(err, -EIO, device, NULL, "has no UUID after it was formatted");
	return 0;
}
