#include "runtime/network/ip.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/sys/file.h"
#include "common/sys/process.h"

int ip_batch(const char *object, const struct strbuf *commands, bool go_on, struct error *err)
{
	static const char *const force[] = {"ip", "-force", "-batch", "-", NULL};
	static const char *const stop[] = {"ip", "-batch", "-", NULL};
	_cleanup_close_ int fd = memfd_create("ip-batch", MFD_CLOEXEC);
	int r;

	if (fd < 0 || write_all(fd, commands->p, commands->n) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, -errno, object, "batch");
	r = process_run(&(struct process){.argv = go_on ? force : stop, .stdin_fd = fd});
	if (r < 0)
		return error_errno(err, r, object, "ip");
	return r ? error_set(err, -EIO, object, NULL, "cannot be set up: ip ends with %d", r) : 0;
}
