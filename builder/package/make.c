#include "builder/package/make.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "builder/package/package.h"
#include "builder/package/stage.h"
#include "builder/sandbox.h"
#include "builder/store.h"
#include "common/base/alloc.h"
#include "common/base/arena.h"
#include "common/sys/file.h"
#include "common/sys/hash.h"

enum { LOG_MAX = 4 << 20 };

/* Of the source tree, all that the compiler gets to see. Folders need not exist. */
static const char *const folders[] = {"common", "runtime", "installer", "salt-lite", "docs", NULL};
static const char *const files[] = {"Makefile", "VERSION", NULL};

#define SOURCE "/run/src"
#define WORK "/run/work"

int packages_inputs(const char *source_root, struct strbuf *inputs, struct error *err)
{
	_cleanup_close_ int fd = open(source_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char hex[SHA256_HEX];
	int r;

	if (fd < 0)
		return error_errno(err, -errno, source_root, "cannot open");
	store_input_number(inputs, "packages", PACKAGES_REVISION);
	for (const char *const *f = folders; *f; f++) {
		r = store_tree_digest(fd, *f, hex);
		if (r < 0 && r != -ENOENT)
			return error_errno(err, r, *f, "cannot read");
		store_input(inputs, *f, r < 0 ? "absent" : hex);
	}
	for (const char *const *f = files; *f; f++) {
		r = sha256_file(fd, *f, hex, NULL);
		if (r < 0)
			return error_errno(err, r, *f, "cannot read");
		store_input(inputs, *f, hex);
	}
	return 0;
}

/* Runs a shell script in tools-build; what it prints is added to the log. */
static int run(const struct packages_job *job, const char *what, const char *script, struct error *err)
{
	const char *const argv[] = {"sh", "-ec", script, NULL};
	struct sandbox_bind binds[2 + sizeof(folders) / sizeof(*folders) + sizeof(files) / sizeof(*files)] = {
		{.source = job->tmp_dir, .target = WORK, .writable = true},
		{.source = job->out_dir, .target = "/run/out", .writable = true}};
	struct sandbox sb = {
		.root = job->tools_root, .binds = binds, .n_binds = 2, .argv = argv, .cwd = WORK, .epoch = job->epoch};
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_strbuf_ struct strbuf log = {0};
	_cleanup_close_ int fd = open(job->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	int r;

	if (fd < 0)
		return error_errno(err, -errno, job->log_path, "cannot write");
	for (const char *const *const *list = (const char *const *const[]){folders, files, NULL}; *list; list++) {
		for (const char *const *f = *list; *f; f++) {
			struct sandbox_bind *bind = &binds[sb.n_binds];

			bind->source = arena_printf(a, "%s/%s", job->source_root, *f);
			bind->target = arena_printf(a, SOURCE "/%s", *f);
			sb.n_binds += access(bind->source, F_OK) == 0;
		}
	}
	r = sandbox_check(&sb, what, &log, LOG_MAX, err);
	if (write_all(fd, log.p, log.n) < 0)
		return error_errno(err, -EIO, job->log_path, "cannot write");
	return r;
}

static int stage_all(const struct packages_job *job, struct package *const *packages, struct error *err)
{
	_cleanup_free_ char *bins = xasprintf("%s/bin", job->tmp_dir);
	_cleanup_free_ char *pages = xasprintf("%s/build/man", job->tmp_dir);

	for (; *packages; packages++) {
		_cleanup_free_ char *dir = xasprintf("%s/stage/%s", job->tmp_dir, (*packages)->name);
		struct package_stage stage = {job->source_root, bins, pages, dir};
		int r = mkdir_p(AT_FDCWD, dir, 0755);

		r = r < 0 ? error_errno(err, r, dir, "cannot create") : package_stage(&stage, *packages, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void cleanup_packages(struct package ***v)
{
	package_free_all(*v);
}

int packages_make(const struct packages_job *job, struct error *err)
{
	/* Compiled where its paths are the same on any machine; debug data stays out of the packages. */
	static const char compile[] = "make -C " SOURCE " -j2 --no-print-directory xen man STRICT=1 BUILD=" WORK "/build\n"
				      "mkdir bin\n"
				      "for f in build/xen/bin/*; do strip --strip-unneeded -o bin/${f##*/} $f; done\n";
	/* Uncompressed: they go from the store into roots, and each compressor has versions. */
	static const char pack[] = "for p in stage/*; do\n"
				   "	dpkg-deb --root-owner-group -Znone --build $p /run/out/${p##*/}.deb\n"
				   "done\n";
	_cleanup_(cleanup_packages) struct package **packages = NULL;
	_cleanup_close_ int source = open(job->source_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t n;
	int r;

	if (source < 0)
		return error_errno(err, -errno, job->source_root, "cannot open");
	if (unlink(job->log_path) < 0 && errno != ENOENT)
		return error_errno(err, -errno, job->log_path, "cannot replace");
	r = package_read_folder(source, "runtime/packages", job->version, &packages, &n, err);
	if (!r)
		r = run(job, "make xen", compile, err);
	if (!r)
		r = stage_all(job, packages, err);
	if (!r)
		r = run(job, "dpkg-deb", pack, err);
	return r;
}
