/*
 * qubes.WaitForSession: ends when the graphical session of the user named on stdin is there, which is when its fork server listens.
 * In a qube without graphical programs there is nothing to wait for.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "runtime/qrexec/protocol.h"

enum { USER_MAX = 256 };

static const char *from_environment(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value ? value : otherwise;
}

/* The name may end without a newline. A slash would leave the folder. */
static bool read_user(char user[USER_MAX])
{
	size_t n = fread(user, 1, USER_MAX - 1, stdin);

	user[n] = '\0';
	user[strcspn(user, "\n")] = '\0';
	return *user && !strchr(user, '/');
}

/* An event of any file is enough to look again. */
static int next_event(int fd)
{
	char events[sizeof(struct inotify_event) + NAME_MAX + 1] __attribute__((aligned(8)));

	for (;;) {
		ssize_t n = read(fd, events, sizeof(events));

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

static int wait_for(const char *folder, const char *path)
{
	_cleanup_close_ int fd = inotify_init1(IN_CLOEXEC);

	/* Watched first and looked at then, so that nothing happens in between. */
	if (fd < 0 || inotify_add_watch(fd, folder, IN_CREATE | IN_MOVED_TO) < 0)
		return -errno;
	while (access(path, F_OK) < 0) {
		int r = errno == ENOENT ? next_event(fd) : -errno;

		if (r < 0)
			return r;
	}
	return 0;
}

int main(void)
{
	const char *folder = from_environment("QUBES_RUN_DIR", "/var/run/qubes");
	const char *agent = from_environment("QUBES_GUI_AGENT", "/usr/bin/qubes-gui");
	char user[USER_MAX];
	int r;

	if (!read_user(user)) {
		fprintf(stderr, "qubes.WaitForSession: wants the name of a user on stdin\n");
		return QREXEC_EXIT_PROBLEM;
	}
	if (access(agent, X_OK) < 0)
		return 0;
	_cleanup_free_ char *path = xasprintf("%s/qrexec-server.%s.sock", folder, user);
	r = wait_for(folder, path);
	if (r < 0)
		fprintf(stderr, "qubes.WaitForSession: %s: %s\n", path, strerror(-r));
	return r < 0 ? QREXEC_EXIT_PROBLEM : 0;
}
