/* Promise: cpio archives come out sorted, complete and the same every time, as cpio(1) and the kernel read them. */
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/alloc.h"
#include "common/base/strbuf.h"
#include "common/sys/cpio.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "common/tests/test.h"

static void write_archive(const char *path, bool reverse)
{
	struct cpio *c _cleanup_cpio_ = cpio_new(1700000000);
	int fd _cleanup_close_ = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	for (int i = 0; i < 4; i++) {
		switch (reverse ? 3 - i : i) {
		case 0:
			cpio_add_file(c, "/init", 0755, "#!/bin/sh\n", 10);
			break;
		case 1:
			cpio_add_link(c, "bin/sh", "busybox");
			break;
		case 2:
			cpio_add_node(c, "dev/console", S_IFCHR | 0600, 5, 1);
			break;
		default:
			cpio_add_file(c, "etc/empty", 0644, "", 0);
			break;
		}
	}
	CHECK_INT(cpio_write(c, fd), 0);
}

TEST(cpio_same_bytes_in_any_order)
{
	const char *dir = test_dir();
	char *a _cleanup_free_ = xasprintf("%s/a.cpio", dir), *b _cleanup_free_ = xasprintf("%s/b.cpio", dir);
	struct strbuf one _cleanup_strbuf_ = {0}, two _cleanup_strbuf_ = {0};

	write_archive(a, false);
	write_archive(b, true);
	CHECK_INT(read_file(AT_FDCWD, a, 1 << 20, &one), 0);
	CHECK_INT(read_file(AT_FDCWD, b, 1 << 20, &two), 0);
	CHECK(blob_eq(strbuf_blob(&one), strbuf_blob(&two)));
	CHECK_INT(one.n % 512, 0);
}

TEST(cpio_is_read_by_cpio)
{
	char *path _cleanup_free_ = xasprintf("%s/a.cpio", test_dir());
	char *command _cleanup_free_ =
		xasprintf("TZ=UTC cpio -itv --quiet <'%s' | tr -s ' ' | sed 's/ Nov 14 2023 / T /'", path);
	const char *const argv[] = {"sh", "-c", command, NULL};
	const char *const probe[] = {"sh", "-c", "command -v cpio", NULL};
	struct strbuf out _cleanup_strbuf_ = {0};

	if (process_capture(probe, 1000, &out) != 0) {
		test_skip("no cpio here");
		return;
	}
	strbuf_reset(&out);
	write_archive(path, true);
	CHECK_INT(process_capture(argv, 10000, &out), 0);
	CHECK_STR(out.p, "drwxr-xr-x 2 root root 0 T bin\n"
			 "lrwxrwxrwx 1 root root 7 T bin/sh -> busybox\n"
			 "drwxr-xr-x 2 root root 0 T dev\n"
			 "crw------- 1 root root 5, 1 T dev/console\n"
			 "drwxr-xr-x 2 root root 0 T etc\n"
			 "-rw-r--r-- 1 root root 0 T etc/empty\n"
			 "-rwxr-xr-x 1 root root 10 T init\n");
}

TEST(cpio_refuses_bad_members)
{
	static const char *const bad[] = {"", "/", "a/../b", "a//b", "./a", "a/"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct cpio *c _cleanup_cpio_ = cpio_new(0);

		cpio_add_file(c, bad[i], 0644, "", 0);
		CHECK_INT(cpio_write(c, -1), -EINVAL);
	}
	struct cpio *c _cleanup_cpio_ = cpio_new(0);

	cpio_add_dir(c, "a", 0755);
	cpio_add_file(c, "a", 0644, "", 0);
	CHECK_INT(cpio_write(c, -1), -EEXIST);
	struct cpio *absent _cleanup_cpio_ = cpio_new(0);

	cpio_add_path(absent, "a", 0644, AT_FDCWD, "/nowhere/x");
	CHECK_INT(cpio_write(absent, -1), -ENOENT);
}
