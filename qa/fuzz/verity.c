/*
 * builder/medium/verity.c: any tree, over any data, is right or wrong; what is wrong is named. The root is made right, or nothing
 * below the tree's top block would ever be looked at.
 */
#include "builder/medium/verity.c"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_blob(void *arg, void *to, size_t n, uint64_t offset)
{
	const struct blob *b = arg;

	if (offset > b->n || n > b->n - offset)
		return -ENODATA;
	memcpy(to, b->p + offset, n);
	return 0;
}

static void root_of(const uint8_t *data, size_t size, unsigned char root[SHA256_BYTES])
{
	struct superblock s;
	struct tree t;

	if (size < 2 * BLOCK)
		return;
	memcpy(&s, data, sizeof(s));
	t.n_salt = le16toh(s.salt_size) < SALT_MAX ? le16toh(s.salt_size) : SALT_MAX;
	memcpy(t.salt, s.salt, t.n_salt);
	hash_block(&t, data + BLOCK, root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* One block more than a tree of one level is for. */
	static const char zeros[(PER_BLOCK + 1) * BLOCK];
	struct blob content = {zeros, sizeof(zeros)}, tree = {(const char *)data, size};
	const struct verity_file files[] = {{read_blob, &content, content.n}, {read_blob, &tree, tree.n}};
	unsigned char root[SHA256_BYTES] = {0};
	struct verity_fault fault = {.cause = NULL};

	root_of(data, size, root);
	if (verity_check(&files[0], &files[1], root, NULL, NULL, &fault) < 0 && !fault.cause)
		abort();
	return 0;
}
