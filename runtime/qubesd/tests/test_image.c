/* Promise: a copy of an image is whole on the disk before it has its name. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/tests/test.h"
#include "runtime/qubesd/image.h"

/* `s` for each fsync(2), `r` for each rename(2). */
static char done[16];
static size_t n;

static void note(char what)
{
	if (n + 1 < sizeof(done))
		done[n++] = what;
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	note('s');
	return __real_fsync(fd);
}

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to)
{
	note('r');
	return __real_rename(from, to);
}

TEST(copy_is_written_before_it_has_its_name)
{
	_cleanup_free_ char *from = xasprintf("%s/from.img", test_dir()), *to = xasprintf("%s/to.img", test_dir());

	if (image_can_clone(test_dir())) {
		test_skip("the file system clones");
		return;
	}
	CHECK_INT(write_file(AT_FDCWD, from, "data", 4, 0600), 0);
	n = 0;
	CHECK_INT(image_clone(from, to, NULL), 0);
	done[n] = 0;
	CHECK_STR(done, "sr");
}
