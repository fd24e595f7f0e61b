/* Promises: a copied tree is the same tree; an unpacked image is right or not there; damage names its file. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <zstd.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/hash.h"
#include "common/tests/test.h"
#include "installer/digests.h"
#include "installer/manifest.h"
#include "installer/unpack.h"

static void count(void *data, uint64_t bytes)
{
	*(uint64_t *)data += bytes;
}

TEST(copy_tree_keeps_everything)
{
	const char *dir = test_dir();
	_cleanup_close_ int top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int from = -1;
	_cleanup_close_ int to = -1;
	_cleanup_error_ struct error err = {0};
	const struct timespec times[2] = {{1000, 5}, {2000, 7}};
	struct stat a, b;
	uint64_t bytes, counted = 0;
	const struct copy_watch watch = {.add = count, .data = &counted};
	char link[64] = "";

	mkdir_p(top, "from/sub/deep", 0755);
	mkdir_p(top, "to/sub", 0755); /* a mount point that is there already */
	write_file(top, "from/sub/file", "hello\n", 6, 0640);
	write_file(top, "from/a", "12345", 5, 04755);
	CHECK(!fchmodat(top, "from/a", 04755, 0));
	CHECK(!linkat(top, "from/a", top, "from/sub/b", 0));
	CHECK(!symlinkat("../nowhere", top, "from/link"));
	CHECK(!mkfifoat(top, "from/fifo", 0600));
	utimensat(top, "from/sub/deep", times, 0);
	from = openat(top, "from", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	to = openat(top, "to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(copy_measure(from, ".", &bytes, &err), 0);
	CHECK_INT(bytes, 11);
	if (!CHECK_INT(copy_tree(from, to, &watch, &err), 0))
		CHECK_STR(err.cause, "");
	CHECK_INT(counted, 11);
	CHECK(!fstatat(to, "a", &a, 0) && !fstatat(to, "sub/b", &b, 0) && a.st_ino == b.st_ino);
	CHECK_INT(a.st_mode, S_IFREG | 04755);
	CHECK(!fstatat(to, "sub/file", &a, 0) && a.st_mode == (S_IFREG | 0640) && a.st_size == 6);
	CHECK(!fstatat(to, "sub/deep", &a, 0) && a.st_mtim.tv_sec == 2000 && a.st_mtim.tv_nsec == 7);
	CHECK(!fstatat(to, "fifo", &a, 0) && S_ISFIFO(a.st_mode));
	CHECK(readlinkat(to, "link", link, sizeof(link) - 1) > 0);
	CHECK_STR(link, "../nowhere");
	/* A second time everything is in the way. */
	CHECK_INT(copy_tree(from, to, NULL, &err), -EEXIST);
}

struct packed {
	char path[512], unpacked[512], digest[SHA256_HEX];
	char *image;
	size_t n;
};

/* 1 MiB of zeros, some text, zeros to the end. */
static struct packed make_packed(void)
{
	struct packed p = {.n = 3 << 20};
	size_t bound = ZSTD_compressBound(p.n), n;
	_cleanup_free_ char *out = xmalloc(bound);
	const char *dir = test_dir();

	p.image = xcalloc(1, p.n);
	memcpy(p.image + (1 << 20) + 100, "text", 4);
	n = ZSTD_compress(out, bound, p.image, p.n, 1);
	snprintf(p.path, sizeof(p.path), "%s/root.img.zst", dir);
	snprintf(p.unpacked, sizeof(p.unpacked), "%s/pool/root.img", dir);
	write_file(AT_FDCWD, p.path, out, n, 0644);
	sha256_hex(out, n, p.digest);
	return p;
}

TEST(unpack_gives_the_same_bytes_sparse)
{
	struct packed p = make_packed();
	_cleanup_free_ char *image = p.image;
	_cleanup_strbuf_ struct strbuf text = {0};
	_cleanup_error_ struct error err = {0};
	struct stat st;

	if (!CHECK_INT(unpack_zstd(p.path, p.unpacked, p.digest, NULL, &err), 0))
		CHECK_STR(err.cause, "");
	CHECK_INT(read_file(AT_FDCWD, p.unpacked, p.n, &text), 0);
	CHECK(text.n == p.n && !memcmp(text.p, image, p.n));
	CHECK(!stat(p.unpacked, &st) && st.st_blocks * 512 < 1 << 20);
}

TEST(unpack_refuses_damage)
{
	struct packed p = make_packed();
	_cleanup_strbuf_ struct strbuf whole = {0};
	_cleanup_error_ struct error err = {0};
	char other[SHA256_HEX];

	free(p.image);
	memset(other, '0', sizeof(other) - 1);
	other[sizeof(other) - 1] = '\0';
	CHECK_INT(unpack_zstd(p.path, p.unpacked, other, NULL, &err), -EBADMSG);
	CHECK_STR(err.object, p.path);
	CHECK(strstr(err.cause, "but dom0 was built with 0000"));
	CHECK(access(p.unpacked, F_OK) != 0);
	/* Cut off. */
	CHECK_INT(read_file(AT_FDCWD, p.path, p.n, &whole), 0);
	write_file(AT_FDCWD, p.path, whole.p, whole.n / 2, 0644);
	CHECK_INT(unpack_zstd(p.path, p.unpacked, p.digest, NULL, &err), -EBADMSG);
	/* Not zstd at all. */
	write_file(AT_FDCWD, p.path, "nonsense", 8, 0644);
	CHECK_INT(unpack_zstd(p.path, p.unpacked, p.digest, NULL, &err), -EBADMSG);
	CHECK(access(p.unpacked, F_OK) != 0);
}

TEST(manifest_names_files)
{
	const char *source = test_dir();
	_cleanup_free_ char *path = xasprintf("%s/" MEDIUM_DIGESTS, source);
	static const char text[] =
		"# comment\n"
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef  root.img.zst\n"
		"short  other\n";
	_cleanup_error_ struct error err = {0};
	_cleanup_manifest_ struct manifest m = {0};
	char digest[SHA256_HEX];

	mkdir_parents(AT_FDCWD, path, 0755);
	write_file(AT_FDCWD, path, text, sizeof(text) - 1, 0644);
	CHECK_INT(manifest_load_medium(source, &m, &err), 0);
	CHECK_INT(manifest_digest(&m, "root.img.zst", digest, &err), 0);
	CHECK_STR(digest, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
	CHECK_INT(manifest_digest(&m, "root.img", digest, &err), -ENOENT);
	CHECK_INT(manifest_digest(&m, "other", digest, &err), -EBADMSG);
}

TEST(what_is_on_the_medium_is_what_the_root_knows)
{
	const char *dir = test_dir();
	_cleanup_close_ int top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *source = xasprintf("%s/source", dir), *medium = xasprintf("%s/medium", dir);
	/* Of "abc". */
	static const char list[] =
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  guest-kernel/1/vmlinuz\n";
	_cleanup_manifest_ struct manifest none = {0}, m = {0};
	_cleanup_error_ struct error err = {0};

	mkdir_p(top, "source/usr/lib/bulkhead", 0755);
	mkdir_p(top, "medium/guest-kernel/1", 0755);
	CHECK_INT(manifest_load_medium(source, &none, &err), -ENOENT);
	write_file(top, "source/" MEDIUM_DIGESTS, list, sizeof(list) - 1, 0644);
	CHECK_INT(manifest_load_medium(source, &m, &err), 0);
	CHECK_INT(manifest_check_file(&m, medium, "guest-kernel/1/vmlinuz", &err), -ENOENT);
	write_file(top, "medium/guest-kernel/1/vmlinuz", "abc", 3, 0644);
	CHECK_INT(manifest_check_file(&m, medium, "guest-kernel/1/vmlinuz", &err), 0);
	CHECK_INT(manifest_check_file(&m, medium, "guest-kernel/2/vmlinuz", &err), -ENOENT);
	write_file(top, "medium/guest-kernel/1/vmlinuz", "abd", 3, 0644);
	CHECK_INT(manifest_check_file(&m, medium, "guest-kernel/1/vmlinuz", &err), -EBADMSG);
	CHECK(strstr(err.object, "medium/guest-kernel/1/vmlinuz") && strstr(err.cause, "not what the medium was made with"));
}

TEST(a_file_that_is_another_leaves_no_copy)
{
	const char *dir = test_dir();
	_cleanup_free_ char *from = xasprintf("%s/vmlinuz", dir), *to = xasprintf("%s/pool/vmlinuz", dir);
	char digest[SHA256_HEX];
	_cleanup_error_ struct error err = {0};

	write_file(AT_FDCWD, from, "kernel", 6, 0644);
	sha256_hex("kernel", 6, digest);
	CHECK_INT(copy_file(from, to, digest, NULL, &err), 0);
	CHECK(access(to, F_OK) == 0);
	sha256_hex("kernels", 7, digest);
	CHECK_INT(copy_file(from, to, digest, NULL, &err), -EBADMSG);
	CHECK_STR(err.object, from);
	CHECK(access(to, F_OK) != 0);
}

static int collect_digest(void *data, const char *path, const char hex[SHA256_HEX])
{
	return digests_write(data, path, hex);
}

/* Cut short: some of it whole, some half-written, some of another kind, some not there. */
TEST(copy_goes_on_where_it_was_cut)
{
	const char *dir = test_dir();
	_cleanup_close_ int top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *list = xasprintf("%s/list", dir);
	_cleanup_free_ char *target = xasprintf("%s/to", dir);
	_cleanup_fclose_ FILE *digests = fopen(list, "we");
	_cleanup_close_ int from = -1;
	_cleanup_close_ int to = -1;
	_cleanup_error_ struct error err = {0};
	const struct copy_watch watch = {.digest = collect_digest, .data = digests, .again = true};
	_cleanup_strbuf_ struct strbuf text = {0};
	struct stat kept, now;

	mkdir_p(top, "from/sub", 0755);
	mkdir_p(top, "to/sub", 0700);
	mkdir_p(top, "to/was-folder", 0700);
	write_file(top, "from/whole", "whole", 5, 0644);
	write_file(top, "to/whole", "whole", 5, 0600);
	write_file(top, "from/half", "half", 4, 0644);
	write_file(top, "to/half", "ha", 2, 0600);
	write_file(top, "from/zeros", "data", 4, 0644);
	write_file(top, "to/zeros", "\0\0\0\0", 4, 0644);
	write_file(top, "from/was-folder", "x", 1, 0644);
	write_file(top, "from/sub/back\\slash\nline", "y", 1, 0644);
	CHECK(!symlinkat("there", top, "from/link") && !symlinkat("elsewhere", top, "to/link"));
	CHECK(!linkat(top, "from/half", top, "from/sub/half-too", 0));
	from = openat(top, "from", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	to = openat(top, "to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(!fstatat(to, "whole", &kept, 0));
	if (!CHECK_INT(copy_tree(from, to, &watch, &err), 0))
		CHECK_STR(err.cause, "");
	fflush(digests);
	CHECK(!fstatat(to, "whole", &now, 0) && now.st_ino == kept.st_ino && now.st_mode == (S_IFREG | 0644));
	CHECK(!read_file(to, "half", 10, &text) && !read_file(to, "zeros", 10, &text) &&
	      !read_file(to, "was-folder", 10, &text) && !read_file(to, "sub/half-too", 10, &text));
	CHECK_STR(text.p, "halfdataxhalf");
	CHECK_INT(digests_compare(list, target, NULL, &err), 0);
	write_file(to, "sub/back\\slash\nline", "z", 1, 0644);
	CHECK_INT(digests_compare(list, target, NULL, &err), -EBADMSG);
	CHECK_STR(err.object, "sub/back\\slash\nline");
}

TEST(copy_one_replaces)
{
	_cleanup_close_ int top = open(test_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int from = -1;
	_cleanup_close_ int to = -1;
	_cleanup_strbuf_ struct strbuf text = {0};

	mkdir_p(top, "from", 0755);
	mkdir_p(top, "to", 0755);
	write_file(top, "from/passwd", "root", 4, 0640);
	write_file(top, "to/passwd", "root and alice", 14, 0644);
	from = openat(top, "from", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	to = openat(top, "to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(copy_one(from, to, "passwd", NULL), 0);
	CHECK_INT(read_file(to, "passwd", 100, &text), 0);
	CHECK_STR(text.p, "root");
	CHECK_INT(copy_one(from, to, "absent", NULL), -ENOENT);
}
