/*
 * Initramfs images. dracut's: dracut runs once, in a throw-away view of the root it is for. The
 * guest's: a cpio of ours with /init and the modules it loads, in order, so that a qube needs
 * neither udev nor a shell to find its root.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "builder/image/kernel.h"
#include "builder/image/output.h"
#include "builder/image/tool.h"
#include "common/base/alloc.h"
#include "common/base/strv.h"
#include "common/sys/cpio.h"
#include "common/sys/file.h"

/* The kernel's limit for a zstd initramfs is a window of 128 MiB; level 12 is far from it, and
 * quick to unpack. */
enum { INITRAMFS_ZSTD = 12, INITRAMFS_ALIGN = 512 };

static int open_root(const struct output_job *job, struct error *err)
{
	int fd = open(job->root_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? error_errno(err, -errno, job->root_dir, "cannot open") : fd;
}

int output_dracut_write(const struct output_job *job, struct error *err)
{
	_cleanup_strv_ struct strv argv = {0};
	_cleanup_close_ int root = open_root(job, err);
	_cleanup_free_ char *version = NULL, *to = tool_out(job->output->name),
			    *path = job_out(job, job->output->name);
	int r = root < 0 ? root : kernel_version(root, &version, err);

	if (r < 0)
		return r;
	/* Compressed by the tools image, not by what happens to be in the root. */
	for (const char *const *a =
		     (const char *const[]){"dracut", "--no-hostonly", "--reproducible",
					   "--no-early-microcode", "--no-compress", "--force",
					   "--quiet", "--tmpdir", TOOL_WORK, "--kver", NULL};
	     *a; a++)
		strv_push(&argv, *a);
	strv_push(&argv, version);
	for (const char *const *a = job->output->args; *a; a++)
		strv_push(&argv, *a);
	strv_push(&argv, TOOL_WORK "/initramfs.cpio");
	r = tool_run(job,
		     &(struct tool){.argv = (const char *const *)argv.v,
				    .root = job->root_dir,
				    .not_preloaded = true},
		     err);
	if (!r)
		r = tool_zstd(job, TOOL_WORK "/initramfs.cpio", to, INITRAMFS_ZSTD, err);
	/* dracut lets only root read it, which zstd takes over. */
	if (!r && chmod(path, 0644) < 0)
		r = error_errno(err, -errno, path, "cannot set the mode");
	/* A cpio that is appended must begin at a multiple of 4. */
	return r < 0 ? r : file_pad(path, INITRAMFS_ALIGN, err);
}

/* Module files as NN-name.ko in tmp_dir; the names go to `order`. */
static int collect_modules(const struct output_job *job, int root, const char *version,
			   const struct strv *files, struct strv *order, struct error *err)
{
	_cleanup_strv_ struct strv argv = {0};
	size_t packed = 0;

	for (const char *const *a = (const char *const[]){"xz", "-d", "-q", "-T1", "--", NULL}; *a;
	     a++)
		strv_push(&argv, *a);
	for (size_t i = 0; i < files->n; i++) {
		_cleanup_free_ char *from =
			xasprintf("/usr/lib/modules/%s/%s", version, files->v[i]);
		_cleanup_free_ char *name = xasprintf("%02zu-%s", i, strrchr(from, '/') + 1);
		_cleanup_free_ char *path = job_work(job, name);
		_cleanup_close_ int in = open_within(root, from, O_RDONLY, RESOLVE_IN_ROOT);
		_cleanup_close_ int out = -1;
		int64_t n;

		if (in < 0)
			return error_errno(err, in, from, "cannot open the module of the root");
		out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		n = out < 0 ? -errno : copy_fd(in, out);
		if (n < 0)
			return error_errno(err, (int)n, path, "cannot write");
		if (blob_has_suffix(blob_of(name), ".ko.xz")) {
			strv_push(&argv, name);
			name[strlen(name) - 3] = '\0';
			packed++;
		} else if (!blob_has_suffix(blob_of(name), ".ko")) {
			return error_set(err, -EINVAL, from, NULL, "is neither .ko nor .ko.xz");
		}
		strv_push(order, name);
	}
	return packed ? tool_run(job, &(struct tool){.argv = (const char *const *)argv.v}, err) : 0;
}

static int add_init(const struct output_job *job, int root, struct cpio *c, struct error *err)
{
	const char *init = job->output->init;
	_cleanup_strbuf_ struct strbuf program = {0};
	_cleanup_close_ int fd = open_within(root, init, O_RDONLY, RESOLVE_IN_ROOT);
	int r = fd < 0 ? fd : read_fd(fd, 64 << 20, &program);

	if (r < 0)
		return error_set(err, r, init, "is its package in `runtime` of the definition?",
				 "cannot read the program for /init: %s", strerror(-r));
	cpio_add_file(c, "init", 0755, program.p, program.n);
	return 0;
}

/* Whoever lays out a medium wants to know which kernel this is for. */
static int write_version(const struct output_job *job, const char *version, struct error *err)
{
	_cleanup_free_ char *name = xasprintf("%s.version", job->output->name);
	_cleanup_free_ char *path = job_out(job, name), *line = xasprintf("%s\n", version);
	int r = write_file(AT_FDCWD, path, line, strlen(line), 0644);

	return r < 0 ? error_errno(err, r, path, "cannot write") : 0;
}

int output_guest_initramfs_write(const struct output_job *job, struct error *err)
{
	_cleanup_cpio_ struct cpio *c = cpio_new((uint32_t)job->epoch);
	_cleanup_strv_ struct strv files = {0}, order = {0};
	_cleanup_strbuf_ struct strbuf text = {0};
	_cleanup_close_ int root = open_root(job, err), out = -1;
	_cleanup_free_ char *version = NULL, *path = job_out(job, job->output->name);
	int r = root < 0 ? root : kernel_version(root, &version, err);

	if (!r)
		r = kernel_modules_resolve(root, version, job->output->modules, &files, err);
	if (!r)
		r = collect_modules(job, root, version, &files, &order, err);
	if (!r)
		r = add_init(job, root, c, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < order.n; i++) {
		_cleanup_free_ char *from = job_work(job, order.v[i]),
				    *name = xasprintf("modules/%s", order.v[i]);

		cpio_add_path(c, name, 0644, AT_FDCWD, from);
		strbuf_printf(&text, "%s\n", order.v[i]);
	}
	cpio_add_file(c, "modules/order", 0644, text.p, text.n);
	/* What the kernel opens as /init's stdout and stderr. */
	cpio_add_node(c, "dev/console", S_IFCHR | 0600, 5, 1);
	out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	r = out < 0 ? -errno : cpio_write(c, out);
	if (r < 0)
		return error_errno(err, r, path, "cannot write");
	return write_version(job, version, err);
}
