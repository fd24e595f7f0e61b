/* root_base_build: the distribution's packages, by the distribution's dpkg. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "builder/archive/unpack.h"
#include "builder/root/plan.h"
#include "builder/root/root.h"
#include "builder/root/workplace.h"
#include "builder/sandbox.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"

/* Result of prepare_root, in the order of the lock. */
enum { ESSENTIAL = -1 };

struct prepare {
	const struct lock *lock;
	int plan_fd; /* lines "wave" or "-1", one a package */
};

static int unpack_one(const struct lock_package *p, int target, struct error *err)
{
	_cleanup_close_ int fd = workplace_open_package(p);

	return fd < 0 ? error_errno(err, fd, lock_package_file(p), "cannot open")
		      : unpack_deb(fd, target, lock_package_file(p), NULL, err);
}

/* base-files brings the links of the merged /usr: before anything that could make a folder of that name. */
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

static int read_controls(const struct lock *l, struct plan_package *plan, struct strbuf *texts,
			 struct error *err)
{
	for (size_t i = 0; i < l->n_packages; i++) {
		const char *label = lock_package_file(&l->packages[i]);
		_cleanup_close_ int fd = workplace_open_package(&l->packages[i]);
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
	r = workplace_seed(target);
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

static int prepare(const struct workplace *w, int *waves, struct error *err)
{
	const struct lock *l = w->job->lock;
	const struct sandbox_bind binds[] = {
		{.source = w->root, .target = "/target", .writable = true},
		{.source = w->cache, .target = CACHE_INSIDE}};
	const struct sandbox sb = {.binds = binds, .n_binds = 2, .epoch = (uint64_t)lock_epoch(l)};
	_cleanup_close_ int plan_fd = memfd_create("plan", MFD_CLOEXEC);
	struct prepare p = {.lock = l, .plan_fd = plan_fd};
	int r;

	if (plan_fd < 0)
		return error_errno(err, -errno, "plan", "memfd");
	r = sandbox_call(&sb, prepare_root, &p, err);
	if (r < 0)
		return r;
	r = read_plan(plan_fd, l->n_packages, waves);
	return r < 0 ? error_errno(err, r, "plan", "cannot read the order of packages") : 0;
}

/* Names of the packages of a wave, in the lock's order, which is by name. */
static void files_of_wave(const struct lock *l, const int *waves, int wave, struct strv *files)
{
	for (size_t i = 0; i < l->n_packages; i++)
		if (waves[i] == wave)
			strv_push(files, lock_package_file(&l->packages[i]));
}

static int install(struct workplace *w, const int *waves, struct error *err)
{
	_cleanup_strv_ struct strv essential = {0};
	int r;

	files_of_wave(w->job->lock, waves, ESSENTIAL, &essential);
	r = dpkg_install_essential(&w->dpkg, &essential, err);
	workplace_phase(w, "essential packages");
	for (int wave = 0; r == 0 && wave <= PLAN_WAVES_MAX; wave++) {
		_cleanup_strv_ struct strv files = {0};

		files_of_wave(w->job->lock, waves, wave, &files);
		if (!files.n)
			break;
		r = dpkg_unpack(&w->dpkg, &files, err);
		workplace_phase(w, "unpack by dpkg");
		if (r == 0)
			r = dpkg_configure(&w->dpkg, false, err);
		workplace_phase(w, "configure");
	}
	return r;
}

int root_base_build(const struct root_job *job, struct error *err)
{
	_cleanup_free_ int *waves = xcalloc(job->lock->n_packages + 1, sizeof(int));
	_cleanup_(workplace_end) struct workplace w;
	int r = workplace_make(&w, job, err);

	if (r < 0 || (r = prepare(&w, waves, err)) < 0)
		return r;
	workplace_phase(&w, "order");
	return install(&w, waves, err);
}
