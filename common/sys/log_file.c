#include "common/sys/log_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"

void log_file_open(const char *path)
{
	/* The folder belongs to a group: what lies there may be a link. */
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0640);

	if (fd < 0)
		fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
	}
}

void log_file_bound(const char *path)
{
	_cleanup_free_ char *old = NULL;
	struct stat st;

	if (!path || fstat(STDERR_FILENO, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= LOG_FILE_MAX)
		return;
	old = xasprintf("%s.old", path);
	if (rename(path, old) == 0)
		log_file_open(path);
}
