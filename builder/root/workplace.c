#include "builder/root/workplace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "builder/fetch/fetch.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/clock.h"
#include "common/sys/file.h"
#include "common/ui/event.h"

int workplace_open_package(const struct lock_package *p)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", CACHE_INSIDE, p->sha256);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int workplace_seed(int target)
{
	static const char refuse_services[] = "#!/bin/sh\nexit 101\n";
	int r = mkdir_p(target, "var/lib/dpkg", 0755);

	if (r == 0)
		r = write_file(target, "var/lib/dpkg/status", "", 0, 0644);
	if (r == 0)
		r = mkdir_p(target, "usr/sbin", 0755);
	if (r == 0)
		r = write_file(target, "usr/sbin/policy-rc.d", refuse_services,
			       sizeof(refuse_services) - 1, 0755);
	return r;
}

void workplace_phase(struct workplace *w, const char *ended)
{
	int64_t now = now_ms();
	_cleanup_free_ char *ms = xasprintf("%" PRId64, now - w->since);

	event_emit("build.phase", "image", w->job->definition->name, "phase", ended, "ms", ms, NULL);
	w->since = now;
}

void workplace_end(struct workplace *w)
{
	if (w->log.n)
		write_file(AT_FDCWD, w->job->log_path, w->log.p, w->log.n, 0644);
	free(w->root);
	free(w->links);
	free(w->cache);
	free(w->noop);
	strbuf_free(&w->log);
}

static int make_links(const struct workplace *w)
{
	const struct lock *l = w->job->lock;
	int r = mkdir_p(AT_FDCWD, w->links, 0755);

	for (size_t i = 0; r == 0 && i < l->n_packages; i++) {
		_cleanup_free_ char *link =
			xasprintf("%s/%s", w->links, lock_package_file(&l->packages[i]));
		_cleanup_free_ char *to = xasprintf("%s/%s", CACHE_INSIDE, l->packages[i].sha256);

		r = symlink(to, link) < 0 ? -errno : 0;
	}
	return r;
}

int workplace_make(struct workplace *w, const struct root_job *job, struct error *err)
{
	static const char noop[] = "#!/bin/sh\nexit 0\n";
	_cleanup_free_ char *file = fetch_cache_path(job->cache, "x");
	int r;

	*w = (struct workplace){.job = job, .since = now_ms()};
	w->root = xasprintf("%s/root", job->out_dir);
	w->links = xasprintf("%s/debs", job->tmp_dir);
	w->noop = xasprintf("%s/noop", job->tmp_dir);
	w->cache = xstrndup(file, strlen(file) - 2);
	w->binds[0] = (struct sandbox_bind){.source = w->links, .target = DPKG_DEBS};
	w->binds[1] = (struct sandbox_bind){.source = w->cache, .target = CACHE_INSIDE};
	w->dpkg = (struct dpkg_run){.root = w->root,
				    .binds = w->binds,
				    .n_binds = 2,
				    .noop = w->noop,
				    .epoch = (uint64_t)lock_epoch(job->lock),
				    .log = &w->log,
				    .timeout_s = job->timeout_s};
	if ((r = mkdir_p(AT_FDCWD, w->root, 0755)) < 0 ||
	    (r = mkdir_p(AT_FDCWD, w->cache, 0755)) < 0 ||
	    (r = write_file(AT_FDCWD, w->noop, noop, sizeof(noop) - 1, 0755)) < 0 ||
	    (r = make_links(w)) < 0)
		return error_errno(err, r, job->tmp_dir, "cannot prepare");
	return 0;
}
