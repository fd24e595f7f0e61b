#include "installer/target.h"

#include <libcryptsetup.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "common/base/alloc.h"
#include "common/base/strv.h"
#include "common/sys/clock.h"
#include "common/sys/mounts.h"

/* Mount points at and below the target, in the order they were mounted. */
static int target_mounts(const char *target, struct strv *points)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct mount_entry m;
	struct blob rest;
	size_t n = strlen(target);
	int r = mounts_read("/proc", &text);

	if (r < 0)
		return r;
	rest = strbuf_blob(&text);
	while (mounts_next(&rest, &m)) {
		_cleanup_free_ char *point = mounts_unescape(m.point);

		if (!strncmp(point, target, n) && (!point[n] || point[n] == '/'))
			strv_push_take(points, take_ptr(point));
	}
	return 0;
}

int target_unmount(const char *target, struct error *err)
{
	_cleanup_strv_ struct strv points = {0};
	int r = target_mounts(target, &points);

	if (r < 0)
		return error_errno(err, r, "/proc/self/mountinfo", "cannot read");
	while (points.n) {
		const char *point = points.v[--points.n];
		unsigned tries = 0;

		/* A program that was just ended may hold it for another moment. */
		while (umount2(point, UMOUNT_NOFOLLOW)) {
			if (errno != EBUSY || ++tries == 25)
				return error_errno(err, -errno, point, "cannot unmount");
			sleep_ms(200);
		}
	}
	return 0;
}

int target_release(const char *target, struct error *err)
{
	int r = target_unmount(target, err);

	if (r < 0)
		return r;
	if (crypt_status(NULL, INSTALL_MAPPING) == CRYPT_INACTIVE)
		return 0;
	r = crypt_deactivate(NULL, INSTALL_MAPPING);
	if (r < 0)
		return error_errno(err, r, "/dev/mapper/" INSTALL_MAPPING, "cannot close");
	return 0;
}
