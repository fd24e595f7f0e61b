/* builder/lock/lock.c: any text is a lock or an error; a lock that was read is written as it was
 * read. */
#include "builder/lock/lock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_strbuf_ struct strbuf once = {0}, twice = {0};
	_cleanup_lock_ struct lock *l = NULL, *again = NULL;
	_cleanup_error_ struct error err = {0};

	if (lock_parse("fuzz", (struct blob){(const char *)data, size}, &l, &err) < 0)
		return 0;
	lock_format(l, &once);
	if (lock_parse("once", strbuf_blob(&once), &again, &err) < 0)
		abort();
	lock_format(again, &twice);
	if (!blob_eq(strbuf_blob(&once), strbuf_blob(&twice)))
		abort();
	return 0;
}
