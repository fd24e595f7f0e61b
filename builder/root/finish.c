/* root_finish and root_unpack: from the base to root.tar, and back to a folder. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/archive/tar_write.h"
#include "builder/archive/unpack.h"
#include "builder/root/dpkg.h"
#include "builder/root/normalise.h"
#include "builder/root/overlay.h"
#include "builder/root/root.h"
#include "builder/sandbox.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"

struct finish {
	const struct root_job *job;
	const char *base;
	char *upper, *work, *noop, *overlay;
	struct strbuf log;
	int tar_fd;
};

static void finish_end(struct finish *f)
{
	if (f->log.n)
		write_file(AT_FDCWD, f->job->log_path, f->log.p, f->log.n, 0644);
	free(f->upper);
	free(f->work);
	free(f->noop);
	free(f->overlay);
	strbuf_free(&f->log);
	if (f->tar_fd >= 0)
		close(f->tar_fd);
}

static int make_workplace(struct finish *f, struct error *err)
{
	static const char noop[] = "#!/bin/sh\nexit 0\n";
	const struct root_job *job = f->job;
	_cleanup_free_ char *tar = xasprintf("%s/root.tar", job->out_dir);
	int r;

	f->upper = xasprintf("%s/upper", job->tmp_dir);
	f->work = xasprintf("%s/work", job->tmp_dir);
	f->noop = xasprintf("%s/noop", job->tmp_dir);
	if (job->definition->overlay)
		f->overlay = xasprintf("%s/%s", job->definition->folder, job->definition->overlay);
	if ((r = mkdir_p(AT_FDCWD, f->upper, 0755)) < 0 ||
	    (r = mkdir_p(AT_FDCWD, f->work, 0755)) < 0 ||
	    (r = write_file(AT_FDCWD, f->noop, noop, sizeof(noop) - 1, 0755)) < 0)
		return error_errno(err, r, job->tmp_dir, "cannot prepare");
	f->tar_fd = open(tar, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	return f->tar_fd < 0 ? error_errno(err, -errno, tar, "cannot create") : 0;
}

/* Our own packages, seen inside under their file names. */
static int install_packages(struct finish *f, const struct strv *packages, struct error *err)
{
	_cleanup_free_ struct sandbox_bind *binds = xcalloc(packages->n + 1, sizeof(*binds));
	struct dpkg_run d = {.root = f->base,
			     .upper = f->upper,
			     .work = f->work,
			     .binds = binds,
			     .n_binds = packages->n,
			     .noop = f->noop,
			     .epoch = (uint64_t)lock_epoch(f->job->lock),
			     .log = &f->log,
			     .timeout_s = f->job->timeout_s};
	_cleanup_strv_ struct strv names = {0}, targets = {0};
	int r;

	if (!packages->n)
		return 0;
	for (size_t i = 0; i < packages->n; i++) {
		const char *slash = strrchr(packages->v[i], '/');

		strv_push(&names, slash ? slash + 1 : packages->v[i]);
		strv_pushf(&targets, DPKG_DEBS "/%s", names.v[i]);
		binds[i] = (struct sandbox_bind){.source = packages->v[i], .target = targets.v[i]};
	}
	r = dpkg_unpack(&d, &names, err);
	return r < 0 ? r : dpkg_configure(&d, true, err);
}

static int add_medium_digests(struct blob text, int target, struct error *err)
{
	int r = text.n ? mkdir_parents(target, ROOT_MEDIUM_DIGESTS, 0755) : 0;

	if (r == 0 && text.n)
		r = write_file(target, ROOT_MEDIUM_DIGESTS, text.p, text.n, 0644);
	return r < 0 ? error_errno(err, r, ROOT_MEDIUM_DIGESTS, "cannot write") : 0;
}

/* In the sandbox: /target is the root, /overlay what is laid over it. */
static int finish_inside(void *arg, struct error *err)
{
	const struct finish *f = arg;
	const struct definition *d = f->job->definition;
	const uint64_t epoch = (uint64_t)lock_epoch(f->job->lock);
	const struct normalise_options o = {
		.epoch = epoch, .suites = d->suites, .components = d->components};
	_cleanup_close_ int target = open("/target", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int overlay =
		f->overlay ? open("/overlay", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int r;

	if (target < 0 || (f->overlay && overlay < 0))
		return error_errno(err, -errno, "root", "cannot open");
	if (unlinkat(target, "usr/sbin/policy-rc.d", 0) < 0 && errno != ENOENT)
		return error_errno(err, -errno, "usr/sbin/policy-rc.d", "cannot remove");
	/* The overlay goes first: what the normaliser takes out must not come back with it. */
	r = f->overlay ? overlay_apply(overlay, target, epoch, err) : 0;
	if (r == 0)
		r = add_medium_digests(f->job->medium_digests, target, err);
	if (r == 0)
		r = normalise_root(target, &o, err);
	return r < 0 ? r : tar_write_tree(target, f->tar_fd, epoch, err);
}

int root_finish(const struct root_job *job, const char *base, const struct strv *packages,
		struct error *err)
{
	struct finish f = {.job = job, .base = base, .tar_fd = -1};
	struct sandbox_bind binds[2];
	struct sandbox sb = {.binds = binds, .epoch = (uint64_t)lock_epoch(job->lock)};
	int r = make_workplace(&f, err);

	if (r == 0)
		r = install_packages(&f, packages, err);
	if (r == 0) {
		binds[sb.n_binds++] = (struct sandbox_bind){.source = base,
							    .target = "/target",
							    .writable = true,
							    .upper = f.upper,
							    .work = f.work};
		if (f.overlay)
			binds[sb.n_binds++] =
				(struct sandbox_bind){.source = f.overlay, .target = "/overlay"};
		r = sandbox_call(&sb, finish_inside, &f, err);
	}
	finish_end(&f);
	return r;
}

static int unpack_inside(void *arg, struct error *err)
{
	const int *tar = arg;
	_cleanup_close_ int target = open("/target", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return target < 0 ? error_errno(err, -errno, "/target", "cannot open")
			  : unpack_tar(*tar, target, "root.tar", NULL, err);
}

int root_unpack(const char *root_tar, const char *out_dir, struct error *err)
{
	_cleanup_free_ char *root = xasprintf("%s/root", out_dir);
	_cleanup_close_ int tar = open(root_tar, O_RDONLY | O_CLOEXEC);
	const struct sandbox_bind binds[] = {
		{.source = root, .target = "/target", .writable = true}};
	const struct sandbox sb = {.binds = binds, .n_binds = 1};
	int r = mkdir_p(AT_FDCWD, root, 0755);

	if (tar < 0)
		return error_errno(err, -errno, root_tar, "cannot open");
	return r < 0 ? error_errno(err, r, root, "cannot make the folder")
		     : sandbox_call(&sb, unpack_inside, &tar, err);
}
