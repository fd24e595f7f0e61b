#include <fcntl.h>

#include "common/base/alloc.h"
#include "installer/run.h"
#include "installer/stack.h"
#include "installer/target.h"

int step_release(struct install *in, struct error *err)
{
	int r = target_release(in->plan->places.target, err);

	/* Beside other systems theirs may stay as they are. */
	return r < 0 || in->plan->layout.kind == DISK_BESIDE ? r : stack_release(in->plan->disk, err);
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
	if (in->record >= 0) {
		int r = record_step(in->record, NULL, err);

		if (r < 0)
			return r;
		close(in->record);
		in->record = -1;
	}
	return target_release(in->plan->places.target, err);
}
