/*
 * qubes.WaitForSession: ends when the graphical session of the user named on stdin is there, which is when its fork server listens.
 * In a qube without graphical programs there is nothing to wait for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/notice.h"
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
	r = notice_wait(path, -1);
	if (r < 0)
		fprintf(stderr, "qubes.WaitForSession: %s: %s\n", path, strerror(-r));
	return r < 0 ? QREXEC_EXIT_PROBLEM : 0;
}
