#include <fcntl.h>
#include <sys/mount.h>

#include "common/base/alloc.h"
#include "installer/run.h"
#include "installer/target.h"

int step_release(struct install *in, struct error *err)
{
	return target_release(in->plan, err);
}

int step_finish(struct install *in, struct error *err)
{
	static const char *const folders[] = {"", "boot", "boot/efi"};

	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		_cleanup_free_ char *path = install_path(in, folders[i]);
		_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		/* Write errors that nobody saw yet come up here. */
		if (fd < 0 || syncfs(fd))
			return error_errno(err, -errno, path, "cannot write everything out");
	}
	return target_release(in->plan, err);
}
