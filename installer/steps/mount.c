#include <fcntl.h>
#include <linux/btrfs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include "common/sys/file.h"
#include "installer/device.h"
#include "installer/target.h"

static int make_subvolumes(const char *target, struct error *err)
{
	static const char *const names[] = {"@", "@snapshots", "@qubes"};
	_cleanup_close_ int top = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (top < 0)
		return error_errno(err, -errno, target, "cannot open");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct btrfs_ioctl_vol_args args = {0};

		snprintf(args.name, sizeof(args.name), "%s", names[i]);
		if (ioctl(top, BTRFS_IOC_SUBVOL_CREATE, &args) && errno != EEXIST)
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

/* Nothing is mounted when this starts; a try before this one may have left something. */
static int mount_all(struct install *in, struct error *err)
{
	const struct layout_part *parts = in->plan->layout.parts;
	const char *root = in->plan->root_device;
	int r;

	if ((r = mount_below(in, root, "", "btrfs", MS_NOATIME, "subvol=@", err)) < 0 ||
	    (r = mount_below(in, root, ".snapshots", "btrfs", MS_NOATIME, "subvol=@snapshots", err)) < 0 ||
	    (r = mount_below(in, root, "var/lib/qubes", "btrfs", MS_NOATIME, "subvol=@qubes", err)) < 0 ||
	    (r = mount_below(in, parts[LAYOUT_BOOT].device, "boot", "ext4", MS_NOATIME, NULL, err)) < 0)
		return r;
	return mount_below(in, parts[LAYOUT_ESP].device, "boot/efi", "vfat", 0, "umask=0077", err);
}

static int read_uuids(const struct install *in, struct uuids *out, struct error *err)
{
	const struct layout_part *parts = in->plan->layout.parts;
	int r;

	if ((r = device_uuid(in->plan->root_device, out->root, err)) < 0 ||
	    (r = device_uuid(parts[LAYOUT_BOOT].device, out->boot, err)) < 0)
		return r;
	return device_uuid(parts[LAYOUT_ESP].device, out->esp, err);
}

int step_mount(struct install *in, struct error *err)
{
	const char *target = in->plan->places.target;
	int r;

	if ((r = target_unmount(target, err)) < 0 || (r = read_uuids(in, &in->uuid, err)) < 0 ||
	    (r = mount_below(in, in->plan->root_device, "", "btrfs", 0, NULL, err)) < 0 ||
	    (r = make_subvolumes(target, err)) < 0)
		return r;
	if (umount2(target, UMOUNT_NOFOLLOW))
		return error_errno(err, -errno, target, "cannot unmount");
	return mount_all(in, err);
}

int step_mount_again(struct install *in, struct error *err)
{
	struct uuids now = in->uuid;
	int r = read_uuids(in, &now, err);

	if (r < 0 || (r = target_unmount(in->plan->places.target, err)) < 0)
		return r;
	if (strcmp(now.root, in->uuid.root) || strcmp(now.boot, in->uuid.boot) || strcmp(now.esp, in->uuid.esp))
		return error_set(err, -ESTALE, in->plan->disk->device, "start anew",
				 "the file systems are not those that were noted");
	return mount_all(in, err);
}
