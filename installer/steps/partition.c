#include <fcntl.h>
#include <sys/file.h>

#include "common/sys/process.h"
#include "installer/device.h"
#include "installer/table.h"

int step_partition(struct install *in, struct error *err)
{
	const struct plan *plan = in->plan;
	static const char *const settle[] = {"udevadm", "settle", "--timeout=10", NULL};
	/* The lock of systemd's block device locking: udev stays away meanwhile. */
	_cleanup_close_ int lock = open(plan->disk->device, O_RDONLY | O_CLOEXEC);
	int r;

	if (lock < 0)
		return error_errno(err, -errno, plan->disk->device, "cannot open");
	flock(lock, LOCK_EX);
	r = table_write(plan->disk->device, &plan->layout, err);
	close(lock);
	lock = -1;
	/* When a disk is closed after writing, udev reads its table once more: the partitions go and come back. */
	if (r == 0)
		process_check(settle, NULL);
	for (size_t i = 0; r == 0 && i < LAYOUT_PARTS; i++)
		r = device_wait(plan->layout.parts[i].device, err);
	return r;
}

int step_partition_again(struct install *in, struct error *err)
{
	return table_check(in->plan->disk->device, &in->plan->layout, err);
}
