/* builder/archive: any bytes are a package (ar(5), then control and data as tar) or an error, and nothing is written
 * outside the folder, however many members there are. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/archive/unpack.h"
#include "common/sys/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct unpack_limits limits = {.max_bytes = 1 << 20, .max_members = 64};
	char top[] = "/dev/shm/fuzz-package-XXXXXX";
	_cleanup_close_ int fd = memfd_create("deb", MFD_CLOEXEC), target = -1, parent = -1;
	_cleanup_strbuf_ struct strbuf text = {0};
	_cleanup_error_ struct error err = {0};

	if (fd < 0 || write_all(fd, data, size) < 0 || !mkdtemp(top))
		abort();
	parent = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mkdirat(parent, "in", 0700) < 0 || (target = openat(parent, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		abort();
	lseek(fd, 0, SEEK_SET);
	unpack_deb_control(fd, "fuzz", &text, &err);
	lseek(fd, 0, SEEK_SET);
	unpack_deb(fd, target, "fuzz", &limits, &err);
	lseek(fd, 0, SEEK_SET);
	unpack_tar(fd, target, "fuzz", &limits, &err);
	/* Only "in" may be there. */
	if (remove_tree(parent, "in") < 0 || rmdir(top) < 0)
		abort();
	return 0;
}
