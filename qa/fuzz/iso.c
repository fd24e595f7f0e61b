/* builder/medium/iso_read.c: any bytes are a medium or an error; every file of one lies in it. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "builder/medium/iso_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_close_ int fd = memfd_create("fuzz", MFD_CLOEXEC);
	_cleanup_error_ struct error err = {0};
	_cleanup_iso_ struct iso *iso = NULL;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		return 0;
	if (iso_open(fd, "fuzz", &iso, &err) < 0)
		return 0;
	if (iso->size > size)
		abort();
	for (size_t i = 0; i < iso->n_files; i++) {
		_cleanup_free_ char *text = NULL;

		if (iso->files[i].offset + iso->files[i].size > size || !iso_find(iso, iso->files[i].path))
			abort();
		iso_read_text(iso, &iso->files[i], 4096, &text);
	}
	return 0;
}
