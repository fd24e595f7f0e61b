/*
 * runtime/qubesd: the head of a request, and qubes.xml. What was read as qubes.xml is written, and
 * read again the same.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/qubesd/request.h"
#include "runtime/qubesd/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void request(struct blob in)
{
	struct request r;

	if (request_parse(in, &r) == 0 &&
	    (!r.method.n || !r.source.n || !r.target.n || r.payload.n >= in.n))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct model *m = NULL, *again = NULL;
	char *once = NULL, *twice = NULL;
	size_t n = 0, n2 = 0;

	request((struct blob){text, size});
	if (state_parse("fuzz", text, size, &m, NULL) < 0)
		return 0;
	if (state_format(m, &once, &n) < 0 || state_parse("once", once, n, &again, NULL) < 0)
		abort();
	if (state_format(again, &twice, &n2) < 0 || n != n2 || memcmp(once, twice, n) != 0)
		abort();
	state_free(m);
	state_free(again);
	free(once);
	free(twice);
	return 0;
}
