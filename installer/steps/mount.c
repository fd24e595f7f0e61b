#include <fcntl.h>
#include <linux/btrfs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include "common/sys/file.h"
#include "installer/device.h"

static int make_subvolumes(const char *target, struct error *err)
{
	static const char *const names[] = {"@", "@snapshots", "@qubes"};
	_cleanup_close_ int top = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (top < 0)
		return error_errno(err, -errno, target, "cannot open");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct btrfs_ioctl_vol_args args = {0};

		snprintf(args.name, sizeof(args.name), "%s", names[i]);
		if (ioctl(top, BTRFS_IOC_SUBVOL_CREATE, &args))
			return error_errno(err, -errno, names[i], "cannot create the subvolume");
	}
	return 0;
}

static int mount_below(const struct install *in, const char *device, const char *folder, const char *type,
		       unsigned long flags, const char *options, struct error *err)
{
	_cleanup_free_ char *path = install_path(in, folder);
	int r = mkdir_p(AT_FDCWD, path, 0755);

	if (r < 0)
		return error_errno(err, r, path, "cannot create");
	if (mount(device, path, type, flags, options))
		return error_errno(err, -errno, path, "cannot mount");
	return 0;
}

int step_mount(struct install *in, struct error *err)
{
	const struct layout_part *parts = in->plan->layout.parts;
	const char *target = in->plan->places.target;
	int r;

	if ((r = device_uuid(in->plan->root_device, in->root_uuid, err)) < 0 ||
	    (r = device_uuid(parts[LAYOUT_BOOT].device, in->boot_uuid, err)) < 0 ||
	    (r = device_uuid(parts[LAYOUT_ESP].device, in->esp_uuid, err)) < 0 ||
	    (r = mount_below(in, in->plan->root_device, "", "btrfs", 0, NULL, err)) < 0 ||
	    (r = make_subvolumes(target, err)) < 0)
		return r;
	if (umount2(target, UMOUNT_NOFOLLOW))
		return error_errno(err, -errno, target, "cannot unmount");
	if ((r = mount_below(in, in->plan->root_device, "", "btrfs", MS_NOATIME, "subvol=@", err)) < 0 ||
	    (r = mount_below(in, in->plan->root_device, ".snapshots", "btrfs", MS_NOATIME, "subvol=@snapshots", err)) < 0 ||
	    (r = mount_below(in, in->plan->root_device, "var/lib/qubes", "btrfs", MS_NOATIME, "subvol=@qubes", err)) < 0 ||
	    (r = mount_below(in, parts[LAYOUT_BOOT].device, "boot", "ext4", MS_NOATIME, NULL, err)) < 0)
		return r;
	return mount_below(in, parts[LAYOUT_ESP].device, "boot/efi", "vfat", 0, "umask=0077", err);
}
