/*
 * ext4 by `mke2fs -d root.tar`, alone or as the one partition of a template's disk. The file is
 * never mounted. All that mke2fs would draw at random or take from the clock is given (ref:
 * mke2fs(8), 1.47.2).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "builder/image/derive.h"
#include "builder/image/gpt.h"
#include "builder/image/output.h"
#include "builder/image/tool.h"
#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/hash.h"

enum { BLOCK = 4096, DEFAULT_ZSTD = 9 };

static const uint64_t default_size = 10ULL << 30;

/* Ours instead of the tools image's, so that a new default of e2fsprogs is a decision and no surprise. */
static const char mke2fs_conf[] =
	"[defaults]\n"
	"	base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr\n"
	"	default_mntopts = acl,user_xattr\n"
	"	enable_periodic_fsck = 0\n"
	"	blocksize = 4096\n"
	"	inode_size = 256\n"
	"	inode_ratio = 16384\n"
	"[fs_types]\n"
	"	ext4 = {\n"
	"		features = "
	"has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize\n"
	"	}\n";

static int write_work_file(const struct output_job *job, const char *name, const char *text,
			   struct error *err)
{
	_cleanup_free_ char *path = job_work(job, name);
	int r = write_file(AT_FDCWD, path, text, strlen(text), 0644);

	return r < 0 ? error_errno(err, r, path, "cannot write") : 0;
}

/* A file of `size` bytes that is one hole. */
static int make_sparse(const char *path, uint64_t size, int *fd, struct error *err)
{
	*fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (*fd < 0 || ftruncate(*fd, (off_t)size) < 0)
		return error_errno(err, -errno, path, "cannot create");
	return 0;
}

/* A file system of `size` bytes at `offset` of the output, which exists and is zero. */
static int make_ext4(const struct output_job *job, const char *seed, const char *label,
		     uint64_t offset, uint64_t size, struct error *err)
{
	_cleanup_arena_ struct arena *a = arena_new();
	char uuid[UUID_TEXT], hash_seed[UUID_TEXT];
	int r = write_work_file(job, "mke2fs.conf", mke2fs_conf, err);

	if (r < 0)
		return r;
	derive_uuid_text(seed, "ext4", uuid);
	derive_uuid_text(seed, "ext4 hash seed", hash_seed);

	/* Only one -E counts. The file is fresh: no table needs to be zeroed, now or at the first mount. */
	const char *const argv[] = {
		"mke2fs",
		"-q",
		"-F",
		"-t",
		"ext4",
		"-U",
		uuid,
		"-L",
		label,
		"-m",
		"1",
		"-E",
		arena_printf(a,
			     "hash_seed=%s,root_owner=0:0,nodiscard,lazy_itable_init=0,lazy_"
			     "journal_init=0,"
			     "assume_storage_prezeroed=1,offset=%llu",
			     hash_seed, (unsigned long long)offset),
		"-d",
		TOOL_ROOT_TAR,
		arena_printf(a, TOOL_OUT "/%s", job->output->name),
		arena_printf(a, "%lluk", (unsigned long long)(size / 1024)),
		NULL,
	};
	static const char *const env[] = {"MKE2FS_CONFIG=" TOOL_WORK "/mke2fs.conf", NULL};

	return tool_run(job, &(struct tool){.argv = argv, .env = env}, err);
}

int output_ext4_write(const struct output_job *job, struct error *err)
{
	_cleanup_free_ char *path = job_out(job, job->output->name);
	uint64_t size = (job->output->size ? job->output->size : default_size) / BLOCK * BLOCK;
	_cleanup_close_ int fd = -1;
	char seed[SHA256_HEX];
	int r = sha256_file(AT_FDCWD, job->root_tar, seed, NULL);

	if (r < 0)
		return error_errno(err, r, job->root_tar, "cannot read");
	r = make_sparse(path, size, &fd, err);
	return r < 0 ? r
		     : make_ext4(job, seed, job->output->label ? job->output->label : "", 0, size,
				 err);
}

/* In the form of sha256sum(1), of the image and of what the medium carries. */
static int write_manifest(const struct output_job *job, const char *const names[OUTPUT_FILES_MAX + 1],
			  struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	_cleanup_free_ char *path = job_out(job, names[2]);
	int r;

	for (int i = 0; i < 2; i++) {
		_cleanup_free_ char *file = job_out(job, names[i]);
		char hex[SHA256_HEX];
		uint64_t size;

		r = sparse_sha256(file, hex, &size);
		if (r < 0)
			return error_errno(err, r, file, "cannot read");
		strbuf_printf(&text, "# %s: %llu bytes\n%s  %s\n", names[i],
			      (unsigned long long)size, hex, names[i]);
	}
	r = write_file(AT_FDCWD, path, text.p, text.n, 0644);
	return r < 0 ? error_errno(err, r, path, "cannot write") : 0;
}

static int zstd_level(const struct output_job *job, unsigned *level, struct error *err)
{
	uint64_t value = DEFAULT_ZSTD;

	if (job->output->compress &&
	    (!blob_to_u64(blob_of(job->output->compress), 19, &value) || !value))
		return yaml_error(yaml_get(job->output->node, "compress"), err,
				  "compress must be a level of zstd, 1 to 19");
	*level = (unsigned)value;
	return 0;
}

int output_template_disk_write(const struct output_job *job, struct error *err)
{
	_cleanup_arena_ struct arena *a = arena_new();
	uint64_t size =
		(job->output->size ? job->output->size : default_size) / GPT_ALIGN * GPT_ALIGN;
	struct gpt_partition part = {.type = gpt_type_linux,
				     .label = job->output->label ? job->output->label
								 : "Root filesystem"};
	_cleanup_free_ char *path = job_out(job, job->output->name);
	_cleanup_close_ int fd = -1;
	char seed[SHA256_HEX];
	uint8_t disk[16];
	const char *names[OUTPUT_FILES_MAX + 1];
	unsigned level = DEFAULT_ZSTD;
	int r = zstd_level(job, &level, err);

	if (r < 0)
		return r;
	r = sha256_file(AT_FDCWD, job->root_tar, seed, NULL);
	if (r < 0)
		return error_errno(err, r, job->root_tar, "cannot read");
	r = make_sparse(path, size, &fd, err);
	if (r < 0)
		return r;
	gpt_usable(size, &part.start, &part.size);
	derive_uuid(seed, "disk", disk);
	derive_uuid(seed, "partition 1", part.uuid);
	r = make_ext4(job, seed, "", part.start, part.size, err);
	if (r < 0)
		return r;
	r = gpt_write(fd, size, disk, &part, 1);
	if (r < 0)
		return error_errno(err, r, path, "cannot write the partition table");
	output_files(a, job->output, names);
	r = tool_zstd(job, arena_printf(a, TOOL_OUT "/%s", names[0]),
		      arena_printf(a, TOOL_OUT "/%s", names[1]), level, err);
	return r < 0 ? r : write_manifest(job, names, err);
}
