/* What the agent and the fork server share beside the calls. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
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

unsigned agent_add_poll(struct agent *a, int fd, short events)
{
	if (a->n_polls == a->max_polls) {
		a->max_polls = a->max_polls ? a->max_polls * 2 : 64;
		a->polls = xreallocarray(a->polls, a->max_polls, sizeof(*a->polls));
	}
	a->polls[a->n_polls] = (struct pollfd){.fd = fd, .events = events};
	return a->n_polls++;
}

void agent_send(struct agent *a, uint32_t type, const void *p, size_t n, const void *q, size_t q_n)
{
	/* A channel that is gone is noticed when it is read. */
	if (a->greeted)
		channel_send(&a->control, type, p, n, q, q_n);
}
