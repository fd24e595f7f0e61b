/* builder/medium/verity.c: any tree, over any data, is right or wrong; what is wrong is named. */
#include "builder/medium/verity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_blob(void *arg, void *to, size_t n, uint64_t offset)
{
	const struct blob *b = arg;

	if (offset > b->n || n > b->n - offset)
		return -ENODATA;
	memcpy(to, b->p + offset, n);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char zeros[2 * 4096];
	struct blob content = {zeros, sizeof(zeros)}, tree = {(const char *)data, size};
	const struct verity_file files[] = {{read_blob, &content, content.n}, {read_blob, &tree, tree.n}};
	unsigned char root[SHA256_BYTES] = {0};
	struct verity_fault fault = {.cause = NULL};

	if (verity_check(&files[0], &files[1], root, NULL, NULL, &fault) < 0 && !fault.cause)
		abort();
	return 0;
}
