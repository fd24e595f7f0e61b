#include "runtime/qrexec/policy/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/base/strv.h"
#include "common/sys/clock.h"

/* The shell reads there, and would take the answers for commands. */
static bool in_background(int fd)
{
	pid_t group = tcgetpgrp(fd);

	/* A terminal that is not ours has no foreground for us to be in. */
	return group > 0 && group != getpgrp();
}

int terminal_open(struct terminal *t, const char *path)
{
	int fd;

	*t = (struct terminal){.fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC)};
	if (t->fd < 0)
		return -errno;
	if (in_background(t->fd)) {
		terminal_close(t);
		return -EWOULDBLOCK;
	}
	fd = fcntl(t->fd, F_DUPFD_CLOEXEC, 3);
	t->out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!t->out) {
		int e = errno;

		terminal_close(t);
		return -e;
	}
	return 0;
}

void terminal_begin(struct terminal *t)
{
	struct termios now;

	if (tcgetattr(t->fd, &now) < 0) {
		tcflush(t->fd, TCIFLUSH);
		return;
	}
	t->before = now;
	t->changed = true;
	now.c_iflag = (now.c_iflag | ICRNL) & ~(tcflag_t)(IGNCR | INLCR);
	now.c_oflag |= OPOST | ONLCR;
	now.c_lflag |= ICANON | ECHO | ECHOE | ISIG;
	tcsetattr(t->fd, TCSAFLUSH, &now);
}

enum terminal_answer terminal_line(struct terminal *t, int client, int64_t deadline, char *line, size_t size)
{
	size_t n = 0;

	for (;;) {
		struct pollfd p[2] = {{t->fd, POLLIN, 0}, {client, 0, 0}};
		int64_t left = deadline - now_ms();
		int r = left > 0 ? poll(p, 2, (int)left) : 0;

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r ? TERMINAL_LOST : TERMINAL_LATE;
		if (p[1].revents)
			return TERMINAL_GONE;
		if (read(t->fd, line + n, 1) != 1)
			return TERMINAL_LOST;
		if (line[n] == '\n') {
			line[n] = '\0';
			return TERMINAL_LINE;
		}
		/* What does not fit is no answer to any question. */
		n += n + 1 < size;
	}
}

void terminal_close(struct terminal *t)
{
	if (t->out)
		fclose(t->out);
	if (t->changed)
		tcsetattr(t->fd, TCSADRAIN, &t->before);
	if (t->fd >= 0)
		close(t->fd);
	*t = (struct terminal){.fd = -1};
}

static void tell(const char *path, const char *line)
{
	const char *own = ttyname(STDIN_FILENO);
	/* One that is stopped must not stop us. */
	_cleanup_close_ int fd = own && !strcmp(own, path) ? -1 : open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0 && isatty(fd))
		dprintf(fd, "\r\n%s\r\n", line);
}

void terminal_tell_sessions(const char *line)
{
	char **sessions = NULL;
	int n = sd_get_sessions(&sessions);

	for (int i = 0; i < n; i++) {
		char *tty = NULL;

		if (sd_session_get_tty(sessions[i], &tty) >= 0) {
			_cleanup_free_ char *path = xasprintf("/dev/%s", tty);

			tell(path, line);
		}
		free(tty);
		free(sessions[i]);
	}
	free(sessions);
}
