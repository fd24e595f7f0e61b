/* builder/medium/sums.c: any text is a list of digests or an error; a list that was read is found again as written. */
#include "builder/medium/sums.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_strbuf_ struct strbuf text = {0};
	_cleanup_error_ struct error err = {0};
	struct sums once, twice;

	if (sums_parse(a, "fuzz", (struct blob){(const char *)data, size}, &once, &err) < 0)
		return 0;
	for (size_t i = 0; i < once.n; i++)
		sums_add(&text, once.list[i].hex, once.list[i].name);
	if (sums_parse(a, "again", strbuf_blob(&text), &twice, &err) < 0 || once.n != twice.n)
		abort();
	for (size_t i = 0; i < once.n; i++)
		if (!sums_find(&twice, once.list[i].name))
			abort();
	return 0;
}
