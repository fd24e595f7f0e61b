/* root_base_build: the distribution's packages, by the distribution's dpkg. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/archive/unpack.h"
#include "builder/fetch/fetch.h"
#include "builder/root/dpkg.h"
#include "builder/root/plan.h"
#include "builder/root/root.h"
#include "builder/sandbox.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"

#define CACHE_INSIDE "/run/bulkhead/cache"

/* Result of prepare_root, in the order of the lock. */
enum { ESSENTIAL = -1 };

struct prepare {
	const struct lock *lock;
	int plan_fd; /* lines "wave" or "-1", one a package */
};

static int open_package(const struct lock_package *p)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", CACHE_INSIDE, p->sha256);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int unpack_one(const struct lock_package *p, int target, struct error *err)
{
	_cleanup_close_ int fd = open_package(p);

	return fd < 0 ? error_errno(err, fd, lock_package_file(p), "cannot open")
		      : unpack_deb(fd, target, lock_package_file(p), NULL, err);
}

/* base-files brings the links of the merged /usr: before anything that could make a folder of that
 * name. */
static int unpack_essential(const struct lock *l, const struct plan_package *plan, int target,
			    struct error *err)
{
	for (int first = 1; first >= 0; first--)
		for (size_t i = 0; i < l->n_packages; i++) {
			int is_first = !strcmp(l->packages[i].name, "base-files");
			int r = plan[i].essential && is_first == first
					? unpack_one(&l->packages[i], target, err)
					: 0;

			if (r < 0)
				return r;
		}
	return 0;
}

/* What dpkg and package scripts expect of a root before there is any. */
static int seed_root(int target)
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

static int read_controls(const struct lock *l, struct plan_package *plan, struct strbuf *texts,
			 struct error *err)
{
	for (size_t i = 0; i < l->n_packages; i++) {
		const char *label = lock_package_file(&l->packages[i]);
		_cleanup_close_ int fd = open_package(&l->packages[i]);
		int r = fd < 0 ? error_errno(err, fd, label, "cannot open")
			       : unpack_deb_control(fd, label, &texts[i], err);

		if (r < 0)
			return r;
		plan[i] = (struct plan_package){.control = strbuf_blob(&texts[i]), .label = label};
	}
	return 0;
}

/* In the sandbox: reads all packages, unpacks the essential ones into /target, says which wave the
 * others are in. */
static int prepare_root(void *arg, struct error *err)
{
	const struct prepare *p = arg;
	size_t n = p->lock->n_packages;
	struct plan_package *plan =
		xcalloc(n + 1, sizeof(*plan)); /* all of this ends with the process */
	struct strbuf *texts = xcalloc(n + 1, sizeof(*texts));
	int target = open("/target", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned waves;
	int r;

	if (target < 0)
		return error_errno(err, -errno, "/target", "cannot open");
	if ((r = read_controls(p->lock, plan, texts, err)) < 0 ||
	    (r = plan_make(plan, n, &waves, err)) < 0 ||
	    (r = unpack_essential(p->lock, plan, target, err)) < 0)
		return r;
	r = seed_root(target);
	if (r < 0)
		return error_errno(err, r, "root", "cannot prepare it for dpkg");
	for (size_t i = 0; i < n; i++)
		if (dprintf(p->plan_fd, "%d\n", plan[i].essential ? ESSENTIAL : (int)plan[i].wave) <
		    0)
			return error_errno(err, -errno, "plan", "cannot write");
	return 0;
}

/* The child has parsed foreign data: what it says is checked like any other input. */
static int read_plan(int fd, size_t n, int *waves)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct blob rest, line;
	size_t i = 0;
	int r = lseek(fd, 0, SEEK_SET) < 0 ? -errno : read_fd(fd, 1 << 20, &text);

	if (r < 0)
		return r;
	rest = strbuf_blob(&text);
	while (blob_token(&rest, '\n', &line)) {
		uint64_t wave = 0;

		if (i == n ||
		    (!blob_eq_str(line, "-1") && !blob_to_u64(line, PLAN_WAVES_MAX, &wave)))
			return -EBADMSG;
		waves[i++] = blob_eq_str(line, "-1") ? ESSENTIAL : (int)wave;
	}
	return i == n ? 0 : -EBADMSG;
}

struct base {
	const struct root_job *job;
	char *root, *links, *cache, *noop;
	int *waves;
	struct strbuf log;
};

static void base_end(struct base *b)
{
	if (b->log.n)
		write_file(AT_FDCWD, b->job->log_path, b->log.p, b->log.n, 0644);
	free(b->root);
	free(b->links);
	free(b->cache);
	free(b->noop);
	free(b->waves);
	strbuf_free(&b->log);
}

/* Links with the names of the packages, to the files of the cache as the sandbox sees them. */
static int make_links(const struct base *b)
{
	const struct lock *l = b->job->lock;
	int r = mkdir_p(AT_FDCWD, b->links, 0755);

	for (size_t i = 0; r == 0 && i < l->n_packages; i++) {
		_cleanup_free_ char *link =
			xasprintf("%s/%s", b->links, lock_package_file(&l->packages[i]));
		_cleanup_free_ char *to = xasprintf("%s/%s", CACHE_INSIDE, l->packages[i].sha256);

		r = symlink(to, link) < 0 ? -errno : 0;
	}
	return r;
}

static int make_workplace(struct base *b, struct error *err)
{
	static const char noop[] = "#!/bin/sh\nexit 0\n";
	const struct root_job *job = b->job;
	_cleanup_free_ char *file = fetch_cache_path(job->cache, "x");
	int r;

	b->root = xasprintf("%s/root", job->out_dir);
	b->links = xasprintf("%s/debs", job->tmp_dir);
	b->noop = xasprintf("%s/noop", job->tmp_dir);
	b->cache = xstrndup(file, strlen(file) - 2);
	b->waves = xcalloc(job->lock->n_packages + 1, sizeof(int));
	if ((r = mkdir_p(AT_FDCWD, b->root, 0755)) < 0 ||
	    (r = write_file(AT_FDCWD, b->noop, noop, sizeof(noop) - 1, 0755)) < 0 ||
	    (r = make_links(b)) < 0)
		return error_errno(err, r, job->tmp_dir, "cannot prepare");
	return 0;
}

static int prepare(struct base *b, struct error *err)
{
	const struct sandbox_bind binds[] = {
		{.source = b->root, .target = "/target", .writable = true},
		{.source = b->cache, .target = CACHE_INSIDE}};
	const struct sandbox sb = {
		.binds = binds, .n_binds = 2, .epoch = (uint64_t)lock_epoch(b->job->lock)};
	_cleanup_close_ int plan_fd = memfd_create("plan", MFD_CLOEXEC);
	struct prepare p = {.lock = b->job->lock, .plan_fd = plan_fd};
	int r;

	if (plan_fd < 0)
		return error_errno(err, -errno, "plan", "memfd");
	r = sandbox_call(&sb, prepare_root, &p, err);
	if (r < 0)
		return r;
	r = read_plan(plan_fd, b->job->lock->n_packages, b->waves);
	return r < 0 ? error_errno(err, r, "plan", "cannot read the order of packages") : 0;
}

/* Names of the packages of a wave, in the lock's order, which is by name. */
static void files_of_wave(const struct base *b, int wave, struct strv *files)
{
	for (size_t i = 0; i < b->job->lock->n_packages; i++)
		if (b->waves[i] == wave)
			strv_push(files, lock_package_file(&b->job->lock->packages[i]));
}

static int install(struct base *b, struct error *err)
{
	const struct sandbox_bind binds[] = {{.source = b->links, .target = DPKG_DEBS},
					     {.source = b->cache, .target = CACHE_INSIDE}};
	const struct dpkg_run d = {.root = b->root,
				   .binds = binds,
				   .n_binds = 2,
				   .noop = b->noop,
				   .epoch = (uint64_t)lock_epoch(b->job->lock),
				   .log = &b->log};
	_cleanup_strv_ struct strv essential = {0};
	int r;

	files_of_wave(b, ESSENTIAL, &essential);
	r = dpkg_install_essential(&d, &essential, err);
	for (int wave = 0; r == 0 && wave <= PLAN_WAVES_MAX; wave++) {
		_cleanup_strv_ struct strv files = {0};

		files_of_wave(b, wave, &files);
		if (!files.n)
			break;
		r = dpkg_unpack(&d, &files, err);
		if (r == 0)
			r = dpkg_configure(&d, false, err);
	}
	return r;
}

int root_base_build(const struct root_job *job, struct error *err)
{
	struct base b = {.job = job};
	int r;

	if ((r = make_workplace(&b, err)) == 0 && (r = prepare(&b, err)) == 0)
		r = install(&b, err);
	base_end(&b);
	return r;
}
