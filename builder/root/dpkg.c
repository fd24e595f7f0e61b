#include "builder/root/dpkg.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"

enum { LOG_MAX = 4 << 20, TIMEOUT = 3600 };

/* As for what we unpack (builder/archive/deb.c): nothing that a package may bring is larger. */
#define FILE_LIMIT (UINT64_C(8) << 30)

static const char *const neutralised[] = {
	"/usr/sbin/start-stop-daemon",
	"/usr/bin/start-stop-daemon",
	"/usr/bin/dracut",
	"/usr/sbin/dracut",
	"/usr/sbin/update-initramfs",
	"/usr/bin/update-initramfs",
	"/usr/sbin/update-grub",
	"/usr/sbin/update-grub2",
};
enum { NEUTRALISED = sizeof(neutralised) / sizeof(neutralised[0]) };

static int run(const struct dpkg_run *d, const char *what, const char *const *argv, bool neutral,
	       struct error *err)
{
	_cleanup_free_ struct sandbox_bind *binds =
		xcalloc(d->n_binds + NEUTRALISED, sizeof(*binds));
	struct sandbox sb = {.root = d->root,
			     .mode = d->upper ? SANDBOX_OVERLAY : SANDBOX_WRITABLE,
			     .upper = d->upper,
			     .work = d->work,
			     .binds = binds,
			     .argv = argv,
			     .epoch = d->epoch,
			     .timeout_s = d->timeout_s ? d->timeout_s : TIMEOUT,
			     .file_max = FILE_LIMIT};

	for (size_t i = 0; i < d->n_binds; i++)
		binds[sb.n_binds++] = d->binds[i];
	for (size_t i = 0; neutral && i < NEUTRALISED; i++) {
		_cleanup_free_ char *path = xasprintf("%s%s", d->root, neutralised[i]);
		struct stat st;

		if (fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
			binds[sb.n_binds++] =
				(struct sandbox_bind){.source = d->noop, .target = neutralised[i]};
	}
	return sandbox_check(&sb, what, d->log, LOG_MAX, err);
}

static int run_on_files(const struct dpkg_run *d, const char *what, const char *const *options,
			const struct strv *files, struct error *err)
{
	_cleanup_strv_ struct strv argv = {0};

	strv_push(&argv, "dpkg");
	strv_push(&argv, "--force-unsafe-io");
	for (; *options; options++)
		strv_push(&argv, *options);
	for (size_t i = 0; i < files->n; i++)
		strv_pushf(&argv, DPKG_DEBS "/%s", files->v[i]);
	return run(d, what, (const char *const *)argv.v, false, err);
}

int dpkg_install_essential(const struct dpkg_run *d, const struct strv *files, struct error *err)
{
	static const char *const options[] = {"--force-depends", "--install", NULL};

	return run_on_files(d, "dpkg --install", options, files, err);
}

int dpkg_unpack_essential(const struct dpkg_run *d, const struct strv *files, struct error *err)
{
	static const char *const options[] = {"--force-depends", "--unpack", NULL};

	return run_on_files(d, "dpkg --unpack", options, files, err);
}

int dpkg_unpack(const struct dpkg_run *d, const struct strv *files, struct error *err)
{
	static const char *const options[] = {"--unpack", NULL};

	return run_on_files(d, "dpkg --unpack", options, files, err);
}

int dpkg_configure(const struct dpkg_run *d, bool complete, struct error *err)
{
	const char *const argv[] = {"dpkg",	 "--force-unsafe-io",
				    "--configure", "--pending",
				    complete ? NULL : "--force-depends", NULL};

	return run(d, "dpkg --configure", argv, true, err);
}
