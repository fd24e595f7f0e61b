/*
 * builder/medium/signify.c: any text is a key, or a signature, or an error. Up to a NUL the input is the key's file, behind it the
 * signature's. An error names one of them.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "builder/medium/signify.h"
#include "common/sys/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(int *fd, char path[64], const void *data, size_t n)
{
	if (*fd < 0)
		*fd = memfd_create("signify", MFD_CLOEXEC);
	if (ftruncate(*fd, 0) < 0 || lseek(*fd, 0, SEEK_SET) < 0 || write_all(*fd, data, n) < 0)
		abort();
	snprintf(path, 64, "/proc/self/fd/%d", *fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int key = -1, signature = -1;
	const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
	size_t n = nul ? (size_t)(nul - data) : size;
	_cleanup_error_ struct error err = {0};
	char key_path[64], signature_path[64];

	put(&key, key_path, data, n);
	put(&signature, signature_path, nul ? nul + 1 : data, nul ? size - n - 1 : 0);
	if (signify_verify(key_path, blob_of("text\n"), signature_path, &err) < 0 && (!err.object || !err.cause))
		abort();
	return 0;
}
