/* `qubesd-xl watch`: tells of domains that come, stop and go. xenstored says when to look, libxl
 * what there is. */
#include <errno.h>
#include <libxl.h>
#include <libxl_uuid.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xenstore.h>

#include "common/base/alloc.h"
#include "runtime/qubesd/xl/protocol.h"
#include "runtime/qubesd/xl/xl.h"

struct seen {
	uint32_t domid;
	const char *state;
};

struct table {
	struct seen *v;
	size_t n;
};

static const char *state_of(const libxl_dominfo *info)
{
	if (info->dying)
		return "dying";
	if (info->shutdown && (info->shutdown_reason == LIBXL_SHUTDOWN_REASON_CRASH ||
			       info->shutdown_reason == LIBXL_SHUTDOWN_REASON_WATCHDOG))
		return "crashed";
	if (info->shutdown)
		return "shutdown";
	return info->paused ? "paused" : "running";
}

static const char *state_before(const struct table *t, uint32_t domid)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->v[i].domid == domid)
			return t->v[i].state;
	return NULL;
}

static int look(libxl_ctx *ctx, struct table *before)
{
	int n = 0;
	libxl_dominfo *list = libxl_list_domain(ctx, &n);
	struct table now = {0};

	if (!list)
		return -EIO;
	now.v = xcalloc((size_t)n + 1, sizeof(*now.v));
	for (int i = 0; i < n; i++) {
		const char *state = state_of(&list[i]);

		if (list[i].domid == 0)
			continue;
		now.v[now.n++] = (struct seen){list[i].domid, state};
		/* The states are constants of ours. */
		if (state_before(before, list[i].domid) != state)
			printf(XL_DOMAIN " %u " LIBXL_UUID_FMT " %s\n", list[i].domid,
			       LIBXL_UUID_BYTES(list[i].uuid), state);
	}
	for (size_t i = 0; i < before->n; i++)
		if (!state_before(&now, before->v[i].domid))
			printf(XL_GONE " %u\n", before->v[i].domid);
	libxl_dominfo_list_free(list, n);
	free(before->v);
	*before = now;
	return 0;
}

/* What cannot be asked for is taken to be there: a start tells otherwise. */
static void print_machine(libxl_ctx *ctx)
{
	struct xl_machine m;

	if (xl_machine_read(ctx, &m))
		m.hvm = m.iommu = true;
	printf(XL_MACHINE " %s %s\n", m.hvm ? "hvm" : "pv", m.iommu ? "iommu" : "no-iommu");
}

/* Waits for a change; negative when the reader of our lines is gone or xenstored failed. */
static int wait_for_change(struct xs_handle *xs)
{
	struct pollfd fds[] = {{.fd = xs_fileno(xs), .events = POLLIN}, {.fd = STDOUT_FILENO}};
	char **watch;

	while (poll(fds, 2, -1) < 0)
		if (errno != EINTR)
			return -errno;
	if (fds[1].revents)
		return -EPIPE;
	while ((watch = xs_check_watch(xs)))
		free(watch);
	return errno == EAGAIN ? 0 : -errno;
}

int xl_watch(libxl_ctx *ctx, uint32_t unused)
{
	struct xs_handle *xs = xs_open(0);
	struct table seen = {0};
	int r;

	(void)unused;
	if (!xs || !xs_watch(xs, "@introduceDomain", "i") || !xs_watch(xs, "@releaseDomain", "r"))
		return xl_fail("cannot watch xenstore", 0);
	print_machine(ctx);
	r = look(ctx, &seen);
	if (r == 0)
		puts(XL_READY);
	while (r == 0) {
		r = wait_for_change(xs);
		if (r == 0)
			r = look(ctx, &seen);
	}
	free(seen.v);
	xs_close(xs);
	return r == -EPIPE ? 0 : xl_fail("lost xenstore or the hypervisor", 0);
}
