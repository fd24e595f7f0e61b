/*
 * qubesd-xl: one operation of libxl per process, see protocol.h. libxl builds a domain
 * synchronously for seconds, forks and wants SIGCHLD for itself: none of that belongs into a
 * daemon.
 */
#include <errno.h>
#include <libxl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/blob.h"
#include "runtime/domid.h"
#include "runtime/qubesd/xl/protocol.h"
#include "runtime/qubesd/xl/xl.h"

int xl_fail(const char *what, int code)
{
	printf(XL_ERROR " %s (libxl %d)\n", what, code);
	return 1;
}

static int done(const char *what, int r)
{
	if (r)
		return xl_fail(what, r);
	puts(XL_OK);
	return 0;
}

static int do_shutdown(libxl_ctx *ctx, uint32_t domid)
{
	return done("cannot ask the domain to shut down", libxl_domain_shutdown(ctx, domid, NULL));
}

static int do_destroy(libxl_ctx *ctx, uint32_t domid)
{
	int r = libxl_domain_destroy(ctx, domid, NULL);

	return done("cannot destroy the domain", r == ERROR_DOMAIN_NOTFOUND ? 0 : r);
}

static int do_pause(libxl_ctx *ctx, uint32_t domid)
{
	return done("cannot pause the domain", libxl_domain_pause(ctx, domid, NULL));
}

static int do_unpause(libxl_ctx *ctx, uint32_t domid)
{
	return done("cannot unpause the domain", libxl_domain_unpause(ctx, domid, NULL));
}

static int do_info(libxl_ctx *ctx, uint32_t domid)
{
	libxl_dominfo info;
	int r;

	libxl_dominfo_init(&info);
	r = libxl_domain_info(ctx, &info, domid);
	if (r)
		return xl_fail("there is no such domain", r);
	printf(XL_OK " mem=%llu maxmem=%llu cputime=%llu\n", (unsigned long long)info.current_memkb,
	       (unsigned long long)info.max_memkb, (unsigned long long)info.cpu_time);
	libxl_dominfo_dispose(&info);
	return 0;
}

static int do_console(libxl_ctx *ctx, uint32_t domid)
{
	char *path = NULL;
	int r = libxl_primary_console_get_tty(ctx, domid, &path);

	if (r || !path)
		return xl_fail("the domain has no console", r);
	printf(XL_OK " %s\n", path);
	free(path);
	return 0;
}

static int do_stats(libxl_ctx *ctx, uint32_t domid)
{
	int n = 0;
	libxl_dominfo *list = libxl_list_domain(ctx, &n);

	(void)domid;
	for (int i = 0; list && i < n; i++)
		printf(XL_STAT " %u %llu %llu %u\n", list[i].domid,
		       (unsigned long long)list[i].current_memkb,
		       (unsigned long long)list[i].cpu_time, list[i].vcpu_online);
	libxl_dominfo_list_free(list, n);
	puts(XL_OK);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(libxl_ctx *ctx, uint32_t domid);
	int takes_domid;
} operations[] = {
	{"create", xl_create, 0},   {"watch", xl_watch, 0}, {"unpause", do_unpause, 1},
	{"pause", do_pause, 1},	    {"info", do_info, 1},   {"shutdown", do_shutdown, 1},
	{"destroy", do_destroy, 1}, {"network", xl_network, 1}, {"attach", xl_attach, 1},
	{"detach", xl_detach, 1},   {"console", do_console, 1}, {"stats", do_stats, 0},
};

static int run(size_t op, uint64_t domid)
{
	xentoollog_logger_stdiostream *logger = xtl_createlogger_stdiostream(stderr, XTL_WARN, 0);
	libxl_ctx *ctx = NULL;
	int r;

	if (!logger)
		return xl_fail("out of memory", ERROR_NOMEM);
	r = libxl_ctx_alloc(&ctx, LIBXL_VERSION, 0, (xentoollog_logger *)logger);
	r = r ? xl_fail("cannot talk to Xen: are the tools of the version that runs?", r)
	      : operations[op].run(ctx, (uint32_t)domid);
	libxl_ctx_free(ctx);
	xtl_logger_destroy((xentoollog_logger *)logger);
	return r;
}

int main(int argc, char **argv)
{
	uint64_t domid = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; argc > 1 && i < sizeof(operations) / sizeof(*operations); i++) {
		if (strcmp(argv[1], operations[i].name) != 0)
			continue;
		if (argc != 2 + operations[i].takes_domid)
			break;
		/* Domain 0 is the one we run in. */
		if (operations[i].takes_domid &&
		    (!blob_to_u64(blob_of(argv[2]), XEN_DOMID_MAX, &domid) || domid == 0))
			break;
		return run(i, domid);
	}
	fprintf(stderr, "qubesd-xl: usage: qubesd-xl create|watch|stats, qubesd-xl "
			"unpause|pause|shutdown|destroy|info|console|network|attach|detach DOMID\n");
	return 2;
}
