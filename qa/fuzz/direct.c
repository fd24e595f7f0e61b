/* builder/root/direct: any bytes are a package that goes into a root and into dpkg's database there, or an error; nothing
 * is written outside of stage and root. What a text file of it says (conffiles, triggers, control) is an input too. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/archive/unpack.h"
#include "builder/root/direct/database.h"
#include "builder/root/direct/merge.h"
#include "builder/root/direct/stage.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int folder(int parent, const char *name)
{
	int fd = -1;

	if (mkdirat(parent, name, 0755) < 0 || (fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		abort();
	return fd;
}

static void go_in(int root, int stage, struct error *err)
{
	struct merge m = {.root = root, .bare = true, .arena = arena_new()};
	struct staged s = {.fd = -1};
	struct database d = {0};

	if (staged_read(stage, 0, "fuzz", &s, err) == 0 && database_seed(root) == 0 && database_begin(&d, root) == 0 &&
	    merge_note_folders(&m, &s) == 0 && merge_fits(&m, &s, err) == 1 && merge_files(&m, &s, false, err) == 0 &&
	    database_add(&d, &s) == 0)
		database_write(&d);
	database_end(&d);
	staged_free(&s);
	merge_end(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct unpack_limits limits = {.max_bytes = 1 << 20, .max_members = 64};
	char top[] = "/dev/shm/fuzz-direct-XXXXXX";
	_cleanup_close_ int fd = memfd_create("deb", MFD_CLOEXEC), parent = -1, stage = -1, root = -1, place = -1;
	_cleanup_error_ struct error err = {0};

	if (fd < 0 || write_all(fd, data, size) < 0 || !mkdtemp(top) ||
	    (parent = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		abort();
	stage = folder(parent, "stage");
	root = folder(parent, "root");
	place = folder(stage, "0");
	if (stage_deb(fd, place, "fuzz", &limits, &err) == 0)
		go_in(root, stage, &err);
	/* Only these two may be there. */
	if (remove_tree(parent, "stage") < 0 || remove_tree(parent, "root") < 0 || rmdir(top) < 0)
		abort();
	return 0;
}
