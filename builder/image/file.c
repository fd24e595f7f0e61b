/* One file of the root, as it is: the kernel, the hypervisor. */
#include <errno.h>
#include <fcntl.h>

#include "builder/image/output.h"
#include "builder/image/root_tar.h"
#include "builder/image/tool.h"

int output_file_write(const struct output_job *job, struct error *err)
{
	_cleanup_free_ char *path = job_out(job, job->output->name);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return error_errno(err, -errno, path, "cannot create");
	return root_tar_file(job->root_tar, job->output->path, fd, NULL, err);
}
