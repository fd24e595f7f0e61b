#include "runtime/filecopy/call.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/sys/process.h"

pid_t call_start(const char *target, const char *service, int *in, int *out)
{
	const char *argv[CALL_WORDS] = {NULL};
	int to[2], from[2];

	call_command(target, service, argv);
	if (pipe2(to, O_CLOEXEC) < 0)
		return -errno;
	*out = to[1];
	_cleanup_close_ int its_stdin = to[0];
	if (pipe2(from, O_CLOEXEC) < 0) {
		int e = errno;

		close(to[1]);
		return -e;
	}
	*in = from[0];
	_cleanup_close_ int its_stdout = from[1];
	pid_t pid = process_spawn(&(struct process){.argv = argv, .stdin_fd = its_stdin, .stdout_fd = its_stdout});

	if (pid < 0) {
		close(*in);
		close(*out);
	}
	return pid;
}
