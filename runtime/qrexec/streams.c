#include "runtime/qrexec/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/strv.h"
#include "common/sys/process.h"
#include "runtime/qrexec/transfer.h"

extern char **environ;

/* Descriptors whose flags were changed, because they could not be opened anew. */
static struct {
	int fd;
	int flags;
} changed[2];
static unsigned n_changed;

#define SOURCE_PIPE (256 << 10)

/*
 * A descriptor for writing without waiting. Flags belong to the open file, which we share with whoever started us: so pipes
 * and terminals are opened anew; where that fails the flag is set and later restored. Files never wait, sockets are asked
 * per write. `fd` is closed when the result is another one, so that a pipe's reader sees its end when we close.
 */
static int without_waiting(int fd)
{
	struct stat st;
	char path[32];
	int other, flags;

	if (fstat(fd, &st) < 0)
		return -1;
	if (S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode) || S_ISBLK(st.st_mode))
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	other = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (other >= 0) {
		close(fd);
		return other;
	}
	flags = fcntl(fd, F_GETFL);
	if (flags >= 0 && !(flags & O_NONBLOCK) && n_changed < 2) {
		changed[n_changed].fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		changed[n_changed++].flags = flags;
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	}
	return fd;
}

void streams_restore(void)
{
	while (n_changed) {
		n_changed--;
		fcntl(changed[n_changed].fd, F_SETFL, changed[n_changed].flags);
	}
}

/* The environment in which a local program finds our own streams again. */
static void saved_fds(struct strv *env, int in, int out, int err)
{
	for (char **e = environ; *e; e++)
		if (strncmp(*e, "SAVED_FD_", 9) != 0)
			strv_push(env, *e);
	strv_pushf(env, "SAVED_FD_0=%d", in);
	strv_pushf(env, "SAVED_FD_1=%d", out);
	if (err >= 0)
		strv_pushf(env, "SAVED_FD_2=%d", err);
}

/* Not the descriptor itself: our own messages go there after the call's stderr has ended. */
static int own_stderr(void)
{
	return without_waiting(fcntl(2, F_DUPFD_CLOEXEC, 3));
}

/* So that who writes into it goes on while we pass on. Refused for what is no pipe, and to users who have many. */
static int with_room(int fd)
{
	fcntl(fd, F_SETPIPE_SZ, SOURCE_PIPE);
	return fd;
}

static int start_local(struct transfer *t, struct local_program *local)
{
	_cleanup_strv_ struct strv env = {0};
	_cleanup_close_ int in = dup(0);
	_cleanup_close_ int out = dup(1);
	/* It has our stderr anyway; programs written for Qubes ask for its number. */
	_cleanup_close_ int err = getenv("PASS_LOCAL_STDERR") ? dup(2) : -1;
	int to[2], from[2];
	struct process p = {.argv = local->argv};

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, to) < 0 || pipe2(from, O_CLOEXEC) < 0)
		return -errno;
	saved_fds(&env, in, out, err);
	p.env = env.v;
	p.stdin_fd = to[0];
	p.stdout_fd = from[1];
	local->pid = process_spawn(&p);
	close(to[0]);
	close(from[1]);
	transfer_attach(t, to[1], with_room(from[0]), own_stderr());
	return local->pid < 0 ? local->pid : 0;
}

int streams_attach(struct transfer *t, struct local_program *local, bool socket_stdin)
{
	if (local->argv)
		return start_local(t, local);
	if (socket_stdin) {
		transfer_attach(t, 0, 0, own_stderr());
		return 0;
	}
	t->stop_on_pipe = true;
	transfer_attach(t, without_waiting(1), with_room(0), own_stderr());
	return 0;
}
