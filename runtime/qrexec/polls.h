#pragma once
/* The descriptors of one turn of a loop; emptied for the next by setting `n` to 0, and never freed. */
#include <poll.h>

struct polls {
	struct pollfd *v;
	unsigned n, max;
};

/* Its place in `v`, which holds until the next one is added. */
unsigned polls_add(struct polls *p, int fd, short events);
