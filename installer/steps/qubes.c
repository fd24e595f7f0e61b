/*
 * The step's commands run in the target and talk to a qubesd that works on its files and knows of no hypervisor. That
 * one runs outside, so that the socket that it answers on is never the target's own.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/base/alloc.h"
#include "common/sys/clock.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "common/sys/socket.h"
#include "installer/run.h"

/* What programs need to run in the target; the last holds qubesd's socket where they look for it. */
static const struct {
	const char *from, *to;
} binds[] = {{"/proc", "proc"}, {"/sys", "sys"}, {"/dev", "dev"}, {INSTALL_SOCKET_DIR, "run"}};

enum { BINDS = sizeof(binds) / sizeof(*binds) };

enum { START_TRIES = 600, STOP_TRIES = 100, PAUSE_MS = 100 };

/* The process that answers on the socket; 0: nobody does. */
static pid_t socket_owner(void)
{
	_cleanup_close_ int fd = socket_connect(INSTALL_SOCKET_DIR "/qubesd.sock", 0);
	struct ucred peer;
	socklen_t n = sizeof(peer);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n))
		return 0;
	return peer.pid;
}

void qubes_end_stale(void)
{
	pid_t owner = socket_owner();

	if (owner <= 0)
		return;
	kill(owner, SIGTERM);
	for (unsigned i = 0; i < STOP_TRIES && !kill(owner, 0); i++)
		sleep_ms(PAUSE_MS);
}

static int remove_all_but(const char *folder, const char *kept)
{
	_cleanup_closedir_ DIR *dir = opendir(folder);
	struct dirent *e;
	int r = 0;

	while (dir && r == 0 && (e = readdir(dir)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && strcmp(e->d_name, kept))
			r = remove_tree(dirfd(dir), e->d_name);
	return r;
}

/* All that qubesd wrote in an earlier try; images and kernels, which other steps bring, stay. */
static int start_over(const struct install *in, struct error *err)
{
	static const char *const made[] = {"var/lib/qubes/qubes.xml", "var/lib/qubes/appvms"};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(made) / sizeof(*made); i++) {
		_cleanup_free_ char *path = install_path(in, made[i]);

		r = remove_tree(AT_FDCWD, path);
	}
	for (const char *const *t = in->plan->templates; r == 0 && t && *t; t++) {
		_cleanup_free_ char *folder = xasprintf("%s/var/lib/qubes/vm-templates/%s", in->plan->places.target, *t);

		r = remove_all_but(folder, "root.img");
	}
	return r < 0 ? error_errno(err, r, "var/lib/qubes", "cannot remove what an earlier try left") : 0;
}

static int bind_all(const struct install *in, struct error *err)
{
	for (size_t i = 0; i < BINDS; i++) {
		_cleanup_free_ char *path = install_path(in, binds[i].to);
		int r = mkdir_p(AT_FDCWD, path, 0755);

		if (r == 0 && mount(binds[i].from, path, NULL, MS_BIND, NULL))
			r = -errno;
		if (r < 0)
			return error_errno(err, r, path, "cannot mount");
	}
	return 0;
}

/* Those that were not mounted are no mount points, which is as good. */
static int unbind_all(const struct install *in, struct error *err)
{
	for (size_t i = BINDS; i-- > 0;) {
		_cleanup_free_ char *path = install_path(in, binds[i].to);

		if (umount2(path, UMOUNT_NOFOLLOW) && errno != EINVAL && errno != ENOENT)
			return error_errno(err, -errno, path, "cannot unmount");
	}
	return 0;
}

static int start_qubesd(struct install *in, struct error *err)
{
	const char *const argv[] = {"qubesd", "--root", in->plan->places.target, "--offline", "--socket-dir",
				    INSTALL_SOCKET_DIR, NULL};
	const struct process process = {.argv = argv, .null_stdin = 1};
	int r = mkdir_p(AT_FDCWD, INSTALL_SOCKET_DIR, 0700);

	if (r < 0)
		return error_errno(err, r, INSTALL_SOCKET_DIR, "cannot create");
	unlink(INSTALL_SOCKET_DIR "/qubesd.sock");
	in->qubesd = process_spawn(&process);
	if (in->qubesd < 0) {
		r = (int)in->qubesd;
		in->qubesd = 0;
		return error_errno(err, r, "qubesd", "cannot start");
	}
	for (unsigned i = 0; i < START_TRIES; i++) {
		int status;

		if (socket_owner() > 0)
			return 0;
		if (waitpid(in->qubesd, &status, WNOHANG) == in->qubesd) {
			in->qubesd = 0;
			return error_set(err, -EIO, "qubesd", "see its message above", "ended at once");
		}
		sleep_ms(PAUSE_MS);
	}
	return error_set(err, -ETIMEDOUT, "qubesd", NULL, "does not answer after a minute");
}

int step_qubes(struct install *in, struct error *err)
{
	int r = in->again ? start_over(in, err) : 0;

	if (r == 0)
		r = start_qubesd(in, err);
	return r < 0 ? r : bind_all(in, err);
}

/* It must be gone before the target can be unmounted, whatever happened to the commands. */
int step_qubes_after(struct install *in, struct error *err)
{
	int code, r = unbind_all(in, err);

	if (!in->qubesd)
		return r;
	kill(in->qubesd, SIGTERM);
	code = process_wait(in->qubesd);
	in->qubesd = 0;
	if (code && code != 128 + SIGTERM)
		return error_set(err, -EIO, "qubesd", NULL, "ended with code %d", code);
	return r;
}
