#include "builder/inspect/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/sys/file.h"
#include "common/sys/process.h"

struct relay {
	int terminal, signals;
	struct termios saved;
};

static void copy_size(const struct relay *r)
{
	struct winsize size;

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
		ioctl(r->terminal, TIOCSWINSZ, &size);
}

/* False at the end of the input, or when the other side is gone. */
static bool carry(int from, int to)
{
	char bytes[4096];
	ssize_t n = read(from, bytes, sizeof(bytes));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	return n > 0 && write_all(to, bytes, (size_t)n) == 0;
}

static void carry_all(const struct relay *r)
{
	struct pollfd fds[] = {{r->terminal, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}, {r->signals, POLLIN, 0}};
	struct signalfd_siginfo info;

	for (;;) {
		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			return;
		if (fds[2].revents && read(r->signals, &info, sizeof(info)) == sizeof(info))
			copy_size(r);
		if (fds[1].revents && !carry(STDIN_FILENO, r->terminal))
			fds[1].fd = -1;
		/* The last slave closed: whatever ran is done. */
		if (fds[0].revents && !carry(r->terminal, STDOUT_FILENO))
			return;
	}
}

static int relay_begin(struct relay *r, int *slave)
{
	sigset_t changes;

	if (tcgetattr(STDIN_FILENO, &r->saved) < 0 || openpty(&r->terminal, slave, NULL, &r->saved, NULL) < 0)
		return -errno;
	fcntl(r->terminal, F_SETFD, FD_CLOEXEC);
	fcntl(*slave, F_SETFD, FD_CLOEXEC);
	copy_size(r);
	sigemptyset(&changes);
	sigaddset(&changes, SIGWINCH);
	sigprocmask(SIG_BLOCK, &changes, NULL);
	r->signals = signalfd(-1, &changes, SFD_CLOEXEC);
	return r->signals < 0 ? -errno : 0;
}

static void relay_end(struct relay *r)
{
	if (r->terminal >= 0)
		close(r->terminal);
	if (r->signals >= 0)
		close(r->signals);
}

static int run_with_terminal(int (*fn)(int fd, void *arg), void *arg, int *status)
{
	_cleanup_(relay_end) struct relay r = {.terminal = -1, .signals = -1};
	_cleanup_close_ int slave = -1;
	struct termios raw;
	int code = relay_begin(&r, &slave);
	pid_t pid;

	if (code < 0)
		return code;
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		relay_end(&r);
		exit(fn(slave, arg));
	}
	close(take_fd(&slave));
	raw = r.saved;
	cfmakeraw(&raw);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	carry_all(&r);
	tcsetattr(STDIN_FILENO, TCSANOW, &r.saved);
	code = process_wait(pid);
	if (code >= 0)
		*status = code;
	return code < 0 ? code : 0;
}

int terminal_run(int (*fn)(int fd, void *arg), void *arg, int *status, struct error *err)
{
	int r = 0;

	if (isatty(STDIN_FILENO))
		r = run_with_terminal(fn, arg, status);
	else
		*status = fn(-1, arg);
	return r < 0 ? error_errno(err, r, "terminal", "cannot make one") : 0;
}
