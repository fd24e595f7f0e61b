/* EROFS from the root's tar stream, or from a folder of it, with dm-verity's hash tree beside it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "builder/image/derive.h"
#include "builder/image/output.h"
#include "builder/image/root_tar.h"
#include "builder/image/tool.h"
#include "common/base/alloc.h"
#include "common/base/strv.h"
#include "common/sys/file.h"
#include "common/sys/hash.h"

/*
 * 64 KiB clusters: random reads stay quick. Level 5: on dom0's root level 9 takes twice the time and saves one part in
 * seventy.
 */
static const char default_compress[] = "zstd,level=5";

static int make_subtree(const struct output_job *job, struct error *err)
{
	_cleanup_free_ char *path = job_work(job, "part.tar");
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0)
		return error_errno(err, -errno, path, "cannot create");
	return root_tar_subtree(job->root_tar, job->output->path, fd, err);
}

static int make_image(const struct output_job *job, const char *seed, struct error *err)
{
	const struct definition_output *o = job->output;
	_cleanup_free_ char *image = tool_out(o->name),
			    *epoch = xasprintf("-T%llu", (unsigned long long)job->epoch);
	_cleanup_free_ char *compress =
		xasprintf("-z%s", o->compress ? o->compress : default_compress);
	char uuid[UUID_TEXT + 2] = "-U";
	/* One worker: that several write the same bytes is not shown yet. */
	const char *const argv[] = {"mkfs.erofs",
				    "--quiet",
				    "--tar=f",
				    epoch,
				    "--mkfs-time",
				    uuid,
				    compress,
				    "-C65536",
				    "--workers=1",
				    image,
				    o->path ? TOOL_WORK "/part.tar" : TOOL_ROOT_TAR,
				    NULL};

	derive_uuid_text(seed, "erofs", uuid + 2);
	return tool_run(job, &(struct tool){.argv = argv}, err);
}

/* What `veritysetup format` prints, as "Root hash:      \tHEX". */
static int root_hash(const char *path, struct strbuf *hash, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	int r = read_file(AT_FDCWD, path, 65536, &text);
	struct blob rest = strbuf_blob(&text), line;

	if (r < 0)
		return error_errno(err, r, path, "cannot read");
	while (blob_token(&rest, '\n', &line)) {
		struct blob value = {line.p + strlen("Root hash:"), line.n - strlen("Root hash:")};

		if (!blob_has_prefix(line, "Root hash:"))
			continue;
		value = blob_trim(value);
		if (!sha256_is_hex(value))
			break;
		strbuf_add(hash, value.p, value.n);
		strbuf_add_char(hash, '\n');
		return 0;
	}
	return error_set(err, -EPROTO, "veritysetup", NULL, "named no root hash");
}

static int make_verity(const struct output_job *job, const char *seed, struct error *err)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_strbuf_ struct strbuf hash = {0};
	_cleanup_free_ char *said = job_work(job, "verity.txt"), *hash_path = NULL, *tree = NULL;
	_cleanup_close_ int fd = open(said, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	uint8_t salt[SHA256_BYTES];
	char salt_hex[SHA256_HEX], uuid[UUID_TEXT];
	const char *names[OUTPUT_FILES_MAX + 1];
	int r;

	if (fd < 0)
		return error_errno(err, -errno, said, "cannot create");
	output_files(a, job->output, names);
	derive_bytes(seed, "verity salt", salt, sizeof(salt));
	hex_encode(salt, sizeof(salt), salt_hex);
	derive_uuid_text(seed, "verity", uuid);

	const char *const argv[] = {"veritysetup",
				    "format",
				    "--hash=sha256",
				    "--data-block-size=4096",
				    "--hash-block-size=4096",
				    arena_printf(a, "--salt=%s", salt_hex),
				    arena_printf(a, "--uuid=%s", uuid),
				    arena_printf(a, TOOL_OUT "/%s", names[0]),
				    arena_printf(a, TOOL_OUT "/%s", names[1]),
				    NULL};

	r = tool_run(job, &(struct tool){.argv = argv, .stdout_fd = fd}, err);
	if (!r)
		r = root_hash(said, &hash, err);
	if (r < 0)
		return r;
	/* veritysetup lets only its owner read the tree. */
	tree = job_out(job, names[1]);
	if (chmod(tree, 0644) < 0)
		return error_errno(err, -errno, tree, "cannot set the mode");
	hash_path = job_out(job, names[2]);
	r = write_file(AT_FDCWD, hash_path, hash.p, hash.n, 0644);
	return r < 0 ? error_errno(err, r, hash_path, "cannot write") : 0;
}

int output_erofs_write(const struct output_job *job, struct error *err)
{
	_cleanup_free_ char *part = job_work(job, "part.tar");
	const char *source = job->output->path ? part : job->root_tar;
	char seed[SHA256_HEX];
	int r = job->output->path ? make_subtree(job, err) : 0;

	if (r < 0)
		return r;
	r = sha256_file(AT_FDCWD, source, seed, NULL);
	if (r < 0)
		return error_errno(err, r, source, "cannot read");
	r = make_image(job, seed, err);
	if (!r && job->output->verity)
		r = make_verity(job, seed, err);
	return r;
}
