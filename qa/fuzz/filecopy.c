/*
 * runtime/filecopy/receive.c and result.c: a sender sends any bytes, and so does a receiver. Nothing is made outside of the
 * folder, and whatever ends it has a code.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "runtime/filecopy/receive.h"
#include "runtime/filecopy/result.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_error_ struct error err = {0};
	_cleanup_close_ int in = memfd_create("stream", MFD_CLOEXEC);
	_cleanup_free_ struct receive *r = xcalloc(1, sizeof(*r));
	char folder[] = "/tmp/fuzz-filecopy.XXXXXX";

	if (!size)
		return 0;
	if (in < 0 || !mkdtemp(folder))
		abort();
	result_judge(data, size, 0, &err);
	_cleanup_close_ int outer = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mkdirat(outer, "in", 0700);
	_cleanup_close_ int root = openat(outer, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	write_all(in, data + 1, size - 1);
	lseek(in, 0, SEEK_SET);
	receive_init(r, in, root);
	r->name_flags = data[0] & 5;
	r->max_bytes = 1 << 20;
	if (receive_run(r) == (r->error_code != 0))
		abort();
	receive_free(r);
	/* Only "in" may be there. */
	if (remove_tree(outer, "in") < 0 || rmdir(folder) < 0)
		abort();
	return 0;
}
