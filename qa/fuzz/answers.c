/* installer/answers.c: any bytes are answers or an error; what is written of them is read again, and as it was. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/sys/file.h"
#include "installer/answers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int load(const void *data, size_t size, struct answers *out)
{
	static int fd = -1;
	char path[64];

	if (fd < 0)
		fd = memfd_create("answers", MFD_CLOEXEC);
	if (ftruncate(fd, 0) || lseek(fd, 0, SEEK_SET) < 0 || write_all(fd, data, size))
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return answers_load(path, out, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_answers_ struct answers a = {0}, b = {0};
	_cleanup_strbuf_ struct strbuf once = {0}, twice = {0};

	if (load(data, size, &a) < 0)
		return 0;
	answers_write(&a, &once);
	if (load(once.p, once.n, &b) < 0)
		abort();
	answers_write(&b, &twice);
	if (!blob_eq(strbuf_blob(&once), strbuf_blob(&twice)))
		abort();
	return 0;
}
