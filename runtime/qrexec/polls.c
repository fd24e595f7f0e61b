#include "runtime/qrexec/polls.h"

#include "common/base/alloc.h"

unsigned polls_add(struct polls *p, int fd, short events)
{
	if (p->n == p->max) {
		p->max = p->max ? p->max * 2 : 64;
		p->v = xreallocarray(p->v, p->max, sizeof(*p->v));
	}
	p->v[p->n] = (struct pollfd){.fd = fd, .events = events};
	return p->n++;
}
