#include "runtime/qubesd/autostart.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"

/* What `systemctl enable` would make; it works in the same way for a system that does not run. */
static const char wants[] = "/etc/systemd/system/multi-user.target.wants";
static const char unit[] = "/usr/lib/systemd/system/qubes-vm@.service";

int autostart_set(const struct qubesd *d, const char *name, bool on, struct error *err)
{
	_cleanup_free_ char *link = xasprintf("%s%s/qubes-vm@%s.service", d->root, wants, name);
	int r;

	if (!on)
		return unlink(link) < 0 && errno != ENOENT
			       ? error_errno(err, -errno, link, "cannot remove")
			       : 0;
	r = mkdir_parents(AT_FDCWD, link, 0755);
	if (r == 0 && symlink(unit, link) < 0 && errno != EEXIST)
		r = -errno;
	return r < 0 ? error_errno(err, r, link, "cannot make") : 0;
}
