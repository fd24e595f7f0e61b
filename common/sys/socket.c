#include "common/sys/socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/cleanup.h"

static int address_of(const char *path, struct sockaddr_un *a)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(a->sun_path))
		return -ENAMETOOLONG;
	strcpy(a->sun_path, path);
	return 0;
}

int socket_connect(const char *path, int flags)
{
	struct sockaddr_un a;
	_cleanup_close_ int fd = -1;
	int r = address_of(path, &a);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	return take_fd(&fd);
}

int socket_listen(const char *path, mode_t mode, int flags, int backlog)
{
	struct sockaddr_un a;
	_cleanup_close_ int fd = -1;
	int r = address_of(path, &a);
	mode_t mask;

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	if (fd < 0)
		return -errno;
	unlink(path);
	mask = umask(0777 & ~mode);
	r = bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? -errno : 0;
	umask(mask);
	if (r < 0 || listen(fd, backlog) < 0)
		return r < 0 ? r : -errno;
	return take_fd(&fd);
}

int socket_send_all(int fd, const void *data, size_t n)
{
	for (const char *at = data; n;) {
		ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);

		if (sent < 0 && errno != EINTR)
			return -errno;
		if (sent > 0) {
			at += sent;
			n -= (size_t)sent;
		}
	}
	return 0;
}
