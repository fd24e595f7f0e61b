/* What the agent and the fork server share beside the calls. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "runtime/qrexec/agent.h"

void agent_log(const char *fmt, ...)
{
	va_list args;
	char line[512];

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, line);
}

void agent_send(struct agent *a, uint32_t type, const void *p, size_t n, const void *q, size_t q_n)
{
	/* A channel that is gone is noticed when it is read. */
	if (a->greeted)
		channel_send(&a->control, type, p, n, q, q_n);
}

int agent_signals(void)
{
	sigset_t set;

	/* SIGPIPE stays blocked for good: a closed pipe is an error of the write, and programs start with nothing blocked. */
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigdelset(&set, SIGPIPE);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

bool agent_take_signals(struct agent *a)
{
	struct signalfd_siginfo info;

	while (read(a->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			agent_reap(a);
		else if (info.ssi_signo == SIGUSR1)
			agent_single_socket(a, (pid_t)info.ssi_pid);
		else
			return true;
	}
	return false;
}
