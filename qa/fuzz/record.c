/* installer/record.c and common/sys/journal.c: any bytes are a record or none; its texts end, and no line is made up. */
#include <stdlib.h>

#include "installer/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Exactly as much memory as the log has, so that a read beyond it is seen. */
	char *copy = malloc(size ? size : 1);
	_cleanup_record_ struct record record = {0};
	int r;

	memcpy(copy, data, size);
	r = record_parse((struct blob){copy, size}, &record);
	if (r == 0 && (!sha256_is_hex(blob_of(record.fingerprint)) || strlen(record.uuid.luks) >= UUID_TEXT ||
		       record.answers.n > size || record.steps.n > size))
		abort();
	free(copy);
	return 0;
}
