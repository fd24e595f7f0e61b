#include "builder/image/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/strv.h"

enum { LOG_MAX = 256 << 10, CHUNK = 1 << 20 };

int tool_run(const struct output_job *job, const struct tool *tool, struct error *err)
{
	_cleanup_free_ struct sandbox_bind *binds = xcalloc(tool->n_binds + 3, sizeof(*binds));
	_cleanup_strbuf_ struct strbuf log = {0};
	struct sandbox sb = {
		.root = tool->root ? tool->root : job->tools_root,
		.mode = tool->root ? SANDBOX_THROWAWAY : SANDBOX_READ_ONLY,
		.binds = binds,
		.argv = tool->argv,
		.env = tool->env,
		.epoch = job->epoch,
		.cwd = TOOL_WORK,
		.stdout_fd = tool->stdout_fd,
		.not_preloaded = tool->not_preloaded,
	};

	binds[sb.n_binds++] = (struct sandbox_bind){.source = job->out_dir, .target = TOOL_OUT, .writable = true};
	binds[sb.n_binds++] = (struct sandbox_bind){.source = job->tmp_dir, .target = TOOL_WORK, .writable = true};
	if (job->root_tar)
		binds[sb.n_binds++] = (struct sandbox_bind){.source = job->root_tar, .target = TOOL_ROOT_TAR};
	for (size_t i = 0; i < tool->n_binds; i++)
		binds[sb.n_binds++] = tool->binds[i];
	return sandbox_check(&sb, tool->argv[0], &log, LOG_MAX, err);
}

char *tool_out(const char *name)
{
	return xasprintf(TOOL_OUT "/%s", name);
}

char *job_out(const struct output_job *job, const char *name)
{
	return xasprintf("%s/%s", job->out_dir, name);
}

char *job_work(const struct output_job *job, const char *name)
{
	return xasprintf("%s/%s", job->tmp_dir, name);
}

static void add_zeros(struct sha256 *s, char *buffer, uint64_t n)
{
	memset(buffer, 0, CHUNK);
	for (; n > CHUNK; n -= CHUNK)
		sha256_add(s, buffer, CHUNK);
	sha256_add(s, buffer, n);
}

static int add_data(struct sha256 *s, char *buffer, int fd, uint64_t at, uint64_t end)
{
	while (at < end) {
		ssize_t n = pread(fd, buffer, end - at < CHUNK ? end - at : CHUNK, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		sha256_add(s, buffer, (size_t)n);
		at += (uint64_t)n;
	}
	return 0;
}

int sparse_sha256(const char *path, char hex[SHA256_HEX], uint64_t *size)
{
	_cleanup_sha256_ struct sha256 *s = sha256_new();
	_cleanup_free_ char *buffer = xmalloc(CHUNK);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t at = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	*size = (uint64_t)st.st_size;
	while (at < *size) {
		off_t data = lseek(fd, (off_t)at, SEEK_DATA), hole;
		int r;

		if (data < 0 && errno != ENXIO)
			return -errno;
		if (data < 0)
			data = st.st_size;
		add_zeros(s, buffer, (uint64_t)data - at);
		if (data == st.st_size)
			break;
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		r = add_data(s, buffer, fd, (uint64_t)data, (uint64_t)hole);
		if (r < 0)
			return r;
		at = (uint64_t)hole;
	}
	sha256_end_hex(take_ptr(s), hex);
	return 0;
}

int tool_zstd(const struct output_job *job, const char *from_inside, const char *to_inside,
	      unsigned level, struct error *err)
{
	_cleanup_free_ char *level_arg = xasprintf("-%u", level);
	/* -T2 takes the multi-threaded path, whose output is the same for any number of threads
	 * from one on; that of the single-threaded path is another. */
	const char *const argv[] = {"zstd",    "-q", "-f",	level_arg,   "-T2",
				    "--check", "-o", to_inside, from_inside, NULL};

	return tool_run(job, &(struct tool){.argv = argv}, err);
}

int file_pad(const char *path, unsigned align, struct error *err)
{
	struct stat st;

	if (stat(path, &st) < 0 || truncate(path, (st.st_size + align - 1) / align * align) < 0)
		return error_errno(err, -errno, path, "cannot fill up");
	return 0;
}
