/*
 * Promise: whichever write to the target fails, with whatever error, it is reported with that error and the file it was
 * for; what is there then is no trap for a second try, which ends as if nothing had happened.
 *
 * The test program is linked with --wrap=write and --wrap=fsync (module.mk), so that any one of them can be made to fail.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/tests/test.h"
#include "installer/digests.h"
#include "installer/unpack.h"

ssize_t __real_write(int fd, const void *data, size_t n);
ssize_t __wrap_write(int fd, const void *data, size_t n);
int __real_fsync(int fd);
int __wrap_fsync(int fd);

static struct {
	unsigned after; /* 0: none fails; 1: the next one */
	int error;
	bool half; /* a write does half of its work first, as on a disk that becomes full */
} fault;

static bool fails_now(void)
{
	return fault.after && --fault.after == 0;
}

ssize_t __wrap_write(int fd, const void *data, size_t n)
{
	if (!fails_now())
		return __real_write(fd, data, n);
	if (fault.half && n > 1) {
		fault.after = 1;
		fault.half = false;
		return __real_write(fd, data, n / 2);
	}
	errno = fault.error;
	return -1;
}

int __wrap_fsync(int fd)
{
	if (!fails_now())
		return __real_fsync(fd);
	errno = fault.error;
	return -1;
}

static void set_fault(unsigned n)
{
	fault.after = n;
	fault.half = n % 2;
	fault.error = n % 2 ? ENOSPC : EIO;
}

/* Was the fault that set_fault(n) asked for reached? Ends it. */
static bool was_hit(void)
{
	bool hit = !fault.after;

	fault.after = 0;
	return hit;
}

static int note_digest(void *data, const char *path, const char hex[SHA256_HEX])
{
	return digests_write(data, path, hex);
}

static int copy(int top, bool again, const char *list, struct error *err)
{
	_cleanup_close_ int from = openat(top, "from", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int to = openat(top, "to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_fclose_ FILE *digests = fopen(list, "we");
	const struct copy_watch watch = {.digest = note_digest, .data = digests, .again = again};

	return copy_tree(from, to, &watch, err);
}

TEST(faults_of_a_copy)
{
	const char *dir = test_dir();
	_cleanup_close_ int top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *list = xasprintf("%s/list", dir), *target = xasprintf("%s/to", dir);
	_cleanup_free_ char *large = xcalloc(1, 3 << 20);
	unsigned n = 1;

	memset(large, 'x', 3 << 20);
	mkdir_p(top, "from/sub", 0755);
	write_file(top, "from/large", large, 3 << 20, 0644);
	write_file(top, "from/sub/one", "one", 3, 0644);
	write_file(top, "from/two", "two", 3, 0644);
	CHECK(!linkat(top, "from/two", top, "from/sub/two-too", 0));
	for (;; n++) {
		_cleanup_error_ struct error err = {0};
		int r;

		remove_tree(top, "to");
		mkdir_p(top, "to", 0755);
		set_fault(n);
		r = copy(top, false, list, &err);
		if (!was_hit())
			break;
		CHECK_INT(r, n % 2 ? -ENOSPC : -EIO);
		CHECK(err.object && (strstr(err.object, "large") || strstr(err.object, "one") || strstr(err.object, "two")));
		error_free(&err);
		CHECK_INT(copy(top, true, list, &err), 0);
		CHECK_INT(digests_compare(list, target, NULL, &err), 0);
	}
	CHECK(n > 4);
}

TEST(faults_of_unpacking)
{
	const char *dir = test_dir();
	_cleanup_free_ char *packed = xasprintf("%s/image.zst", dir), *to = xasprintf("%s/pool/root.img", dir);
	_cleanup_free_ char *image = xcalloc(1, 4 << 20), *out = xmalloc(ZSTD_compressBound(4 << 20));
	char digest[SHA256_HEX];
	unsigned n = 1;
	size_t size;

	memset(image, 'x', 1 << 20);
	memset(image + (3 << 20), 'y', 1 << 20);
	size = ZSTD_compress(out, ZSTD_compressBound(4 << 20), image, 4 << 20, 1);
	write_file(AT_FDCWD, packed, out, size, 0644);
	sha256_hex(out, size, digest);
	for (;; n++) {
		_cleanup_error_ struct error err = {0};
		int r;

		set_fault(n);
		r = unpack_zstd(packed, to, digest, NULL, &err);
		if (!was_hit())
			break;
		CHECK_INT(r, n % 2 ? -ENOSPC : -EIO);
		CHECK(access(to, F_OK) != 0);
	}
	CHECK(n > 2 && access(to, F_OK) == 0);
}

TEST(faults_of_a_single_file)
{
	const char *dir = test_dir();
	_cleanup_free_ char *from = xasprintf("%s/vmlinuz", dir), *to = xasprintf("%s/boot/vmlinuz", dir);
	unsigned n = 1;

	write_file(AT_FDCWD, from, "kernel", 6, 0644);
	for (;; n++) {
		_cleanup_error_ struct error err = {0};
		int r;

		set_fault(n);
		r = copy_file(from, to, NULL, NULL, &err);
		if (!was_hit())
			break;
		CHECK_INT(r, n % 2 ? -ENOSPC : -EIO);
		CHECK(err.object && strstr(err.object, "vmlinuz"));
	}
	CHECK(n > 2);
}
