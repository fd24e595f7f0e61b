#include "installer/answers.h"

#include <blkid/blkid.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "common/base/alloc.h"
#include "installer/device.h"

#define VOLUME_DIR "/run/bulkhead/answers"

/* The device with the label, allocated. Every block device is probed afresh; no cache file is read or written. */
static int volume_find(char **device, struct error *err)
{
	blkid_cache cache;
	blkid_dev_iterate it;
	blkid_dev dev;
	int r = 0;

	*device = NULL;
	if (blkid_get_cache(&cache, "/dev/null"))
		return error_set(err, -EIO, ANSWERS_LABEL, NULL, "cannot list block devices");
	blkid_probe_all(cache);
	blkid_probe_all_removable(cache);
	it = blkid_dev_iterate_begin(cache);
	blkid_dev_set_search(it, "LABEL", ANSWERS_LABEL);
	while (r == 0 && !blkid_dev_next(it, &dev)) {
		dev = blkid_verify(cache, dev);
		if (!dev)
			continue;
		if (*device)
			r = error_set(err, -ENOTUNIQ, ANSWERS_LABEL, "remove one of them",
				      "both %s and %s carry this label", *device, blkid_dev_devname(dev));
		else
			*device = xstrdup(blkid_dev_devname(dev));
	}
	blkid_dev_iterate_end(it);
	blkid_put_cache(cache);
	if (r == 0 && !*device)
		r = error_set(err, -ENXIO, ANSWERS_LABEL, "attach it, or give --answers FILE",
			      "no volume has this label");
	return r;
}

static int volume_mount(const char *device, struct error *err)
{
	_cleanup_free_ char *type = blkid_get_tag_value(NULL, "TYPE", device);

	if (!type)
		return error_set(err, -EMEDIUMTYPE, device, NULL, "no file system was recognised on it");
	mkdir("/run/bulkhead", 0755);
	if (mkdir(VOLUME_DIR, 0700) && errno != EEXIST)
		return error_errno(err, -errno, VOLUME_DIR, "cannot create");
	if (mount(device, VOLUME_DIR, type, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		return error_errno(err, -errno, device, "cannot mount read-only");
	return 0;
}

int answers_load_volume(struct answers *out, struct error *err)
{
	_cleanup_free_ char *device = NULL;
	int r;

	*out = (struct answers){0};
	r = volume_find(&device, err);
	if (r == 0)
		r = volume_mount(device, err);
	if (r < 0)
		return r;
	if (!access(VOLUME_DIR "/" ANSWERS_FILE, F_OK) && !device_has_file(VOLUME_DIR "/" ANSWERS_FILE))
		r = error_set(err, -EINVAL, VOLUME_DIR "/" ANSWERS_FILE, NULL, "is no regular file");
	else
		r = answers_load(VOLUME_DIR "/" ANSWERS_FILE, out, err);
	umount2(VOLUME_DIR, MNT_DETACH | UMOUNT_NOFOLLOW);
	return r;
}
