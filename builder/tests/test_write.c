/* Promise: an image goes to the disk that was looked at, or nowhere. (Writing itself: medium-cases.) */
#include <errno.h>
#include <fcntl.h>

#include "builder/medium/write.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"
#include "common/tests/test.h"

TEST(what_is_not_that_disk_is_left_alone)
{
	_cleanup_free_ char *image = xasprintf("%s/image", test_dir()), *path = xasprintf("%s/disk", test_dir());
	const struct device d = {.path = path, .size = 4096};
	_cleanup_error_ struct error err = {0};
	_cleanup_strbuf_ struct strbuf text = {0};
	_cleanup_close_ int fd = -1;
	struct write_result w;

	CHECK_INT(write_file(AT_FDCWD, image, "new", 3, 0644), 0);
	CHECK_INT(write_file(AT_FDCWD, path, "old", 3, 0644), 0);
	fd = open(image, O_RDONLY | O_CLOEXEC);
	CHECK_INT(write_image(fd, 3, &d, true, &w, &err), -ENODEV);
	CHECK_INT(read_file(AT_FDCWD, path, 16, &text), 0);
	CHECK_STR(text.p, "old");
}
