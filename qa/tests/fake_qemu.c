/*
 * Stands in for qemu-system-x86_64 in the harness' own tests: takes its sockets from the command line as QEMU does
 * (each is made, then waited on), and behind the first serial port is a root shell whose events, on descriptor 3,
 * leave by the second. The shell's end is the machine's. What comes by QMP is answered, and kept in ./qmp-commands.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what)
{
	fprintf(stderr, "fake-qemu: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Listens on the path that follows `prefix` in one of the arguments, up to a comma. */
static int listen_at(char **argv, const char *prefix)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	while (*argv && strncmp(*argv, prefix, strlen(prefix)))
		argv++;
	if (!*argv)
		fail(prefix);
	snprintf(address.sun_path, sizeof(address.sun_path), "%.*s", (int)strcspn(*argv + strlen(prefix), ","),
		 *argv + strlen(prefix));
	unlink(address.sun_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 1))
		fail(address.sun_path);
	return fd;
}

static int accept_at(char **argv, const char *prefix)
{
	int listener = listen_at(argv, prefix), fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		fail("accept");
	close(listener);
	return fd;
}

/* One way; false at the end of the input. */
static int relay(int from, int to)
{
	char buf[4096];
	ssize_t n = read(from, buf, sizeof(buf));

	return n > 0 && write(to, buf, (size_t)n) == n;
}

/* The harness waits for each answer, so a read is one command. */
static void answer_qmp(int qmp, FILE *log)
{
	char buf[4096], *id;
	ssize_t n = read(qmp, buf, sizeof(buf) - 1);
	long number = 0;

	if (n <= 0)
		return;
	fwrite(buf, 1, (size_t)n, log);
	fflush(log);
	buf[n] = '\0';
	/* The command's own number comes last; an object among its arguments may have an id too. */
	for (id = buf; (id = strstr(id, "\"id\":")); id += 5)
		number = strtol(id + 5, NULL, 10);
	/* A command that the real one would not know either. */
	if (strstr(buf, "no-such-command"))
		dprintf(qmp, "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"no-such-command\"}, \"id\": %ld}\r\n", number);
	else
		dprintf(qmp, "{\"event\": \"SOMETHING\"}\r\n{\"return\": {}, \"id\": %ld}\r\n", number);
}

int main(int argc, char **argv)
{
	int serial = accept_at(argv, "socket,id=serial,path="), events = accept_at(argv, "socket,id=events,path=");
	int qmp_listener = listen_at(argv, "unix:"), qmp = -1, terminal, status;
	FILE *log = fopen(getenv("FAKE_QEMU_LOG") ? getenv("FAKE_QEMU_LOG") : "/dev/null", "a");
	pid_t shell;

	if (argc < 2 || !log)
		fail("log");
	shell = forkpty(&terminal, NULL, NULL, NULL);
	if (shell < 0)
		fail("forkpty");
	if (shell == 0) {
		dup2(events, 3);
		printf("fake login: root (automatic login)\n");
		fflush(stdout);
		execlp("env", "env", "PS1=# ", "sh", "-i", NULL);
		_exit(127);
	}
	for (;;) {
		struct pollfd p[] = {{.fd = serial, .events = POLLIN}, {.fd = terminal, .events = POLLIN},
				     {.fd = qmp < 0 ? qmp_listener : qmp, .events = POLLIN}};

		if (poll(p, 3, -1) < 0)
			fail("poll");
		if ((p[0].revents && !relay(serial, terminal)) || (p[1].revents && !relay(terminal, serial)))
			break;
		if (p[2].revents && qmp < 0)
			qmp = accept4(qmp_listener, NULL, NULL, SOCK_CLOEXEC);
		else if (p[2].revents & POLLHUP)
			p[2].revents = 0, close(qmp), qmp = -1;
		else if (p[2].revents)
			answer_qmp(qmp, log);
	}
	close(terminal);
	waitpid(shell, &status, 0);
	return 0;
}
