#include "builder/fetch/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/clock.h"
#include "common/ui/event.h"

static void tell(const struct fetch_progress *p)
{
	if (!p->status)
		return;
	p->status->files = p->files;
	p->status->of_files = p->of_files;
	p->status->bytes = p->bytes;
	p->status->of_bytes = p->of_bytes;
}

void fetch_progress_start(struct fetch_progress *p, const struct fetch_options *o, size_t files, uint64_t bytes)
{
	*p = (struct fetch_progress){
		.quiet = o->quiet, .of_files = files, .of_bytes = bytes, .status = o->status};
	tell(p);
	p->terminal = isatty(STDERR_FILENO);
	p->started = now_ms();
}

void fetch_progress_show(struct fetch_progress *p, size_t files, uint64_t bytes)
{
	int64_t now = now_ms();

	p->files = files;
	p->bytes = bytes;
	tell(p);
	if (p->quiet || !p->terminal || now - p->shown < 200)
		return;
	p->shown = now;
	fprintf(stderr, "\rfetching %zu of %zu files, %.1f of %.1f MB\033[K", p->files, p->of_files,
		(double)p->bytes / 1e6, (double)p->of_bytes / 1e6);
}

void fetch_progress_end(struct fetch_progress *p, bool ok)
{
	_cleanup_free_ char *files = xasprintf("%zu", p->files),
			    *bytes = xasprintf("%ju", (uintmax_t)p->bytes);

	if (!p->quiet && p->terminal)
		fputs("\r\033[K", stderr);
	if (!ok)
		return;
	event_emit("fetch.done", "files", files, "bytes", bytes, NULL);
	if (!p->quiet)
		fprintf(stderr, "fetched %zu files, %.1f MB in %.1f s\n", p->files,
			(double)p->bytes / 1e6, (double)(now_ms() - p->started) / 1e3);
}
