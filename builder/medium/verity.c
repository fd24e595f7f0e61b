#include "builder/medium/verity.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"

enum {
	BLOCK = 4096,
	PER_BLOCK = BLOCK / SHA256_BYTES,
	SALT_MAX = 256,
	LEVELS_MAX = 10,
	TREE_MAX = 256 << 20, /* for 32 GiB of data */
	READ_BLOCKS = 64,
};

/* As it lies in the first block of the tree's file. */
struct superblock {
	char signature[8];
	uint32_t version, hash_type;
	unsigned char uuid[16];
	char algorithm[32];
	uint32_t data_block_size, hash_block_size;
	uint64_t data_blocks;
	uint16_t salt_size;
	unsigned char pad[6];
	unsigned char salt[SALT_MAX];
};

struct tree {
	unsigned char salt[SALT_MAX];
	size_t n_salt;
	uint64_t data_blocks;
	unsigned char *blocks; /* all levels, the top first */
	uint64_t n_blocks;
	size_t n_levels;
	uint64_t start[LEVELS_MAX], count[LEVELS_MAX]; /* in blocks; level 0 is that of the data */
};

static int wrong(struct verity_fault *f, bool in_tree, uint64_t block, int code, const char *cause)
{
	*f = (struct verity_fault){.in_tree = in_tree, .block = block, .offset = block * BLOCK, .cause = cause};
	return code;
}

static void hash_block(const struct tree *t, const unsigned char *block,
		       unsigned char digest[SHA256_BYTES])
{
	struct sha256 *s = sha256_new();

	sha256_add(s, t->salt, t->n_salt);
	sha256_add(s, block, BLOCK);
	sha256_end(s, digest);
}

static bool is_block(const struct tree *t, const unsigned char *block, const unsigned char *want)
{
	unsigned char digest[SHA256_BYTES];

	hash_block(t, block, digest);
	return !memcmp(digest, want, SHA256_BYTES);
}

static int read_superblock(const struct verity_file *f, struct tree *t, struct verity_fault *fault)
{
	struct superblock s;
	int r = f->size < sizeof(s) ? -ENODATA : f->read(f->arg, &s, sizeof(s), 0);

	if (r < 0)
		return wrong(fault, true, 0, r, "cannot be read");
	if (memcmp(s.signature, "verity\0\0", 8) != 0 || le32toh(s.version) != 1 ||
	    le32toh(s.hash_type) != 1 || strncmp(s.algorithm, "sha256", sizeof(s.algorithm)) != 0 ||
	    le32toh(s.data_block_size) != BLOCK || le32toh(s.hash_block_size) != BLOCK ||
	    le16toh(s.salt_size) > SALT_MAX)
		return wrong(fault, true, 0, -EBADMSG, "is no hash tree of ours");
	t->n_salt = le16toh(s.salt_size);
	memcpy(t->salt, s.salt, t->n_salt);
	t->data_blocks = le64toh(s.data_blocks);
	return 0;
}

/* The tree's shape follows from the number of data blocks alone. */
static bool lay_out(struct tree *t)
{
	uint64_t n = t->data_blocks, at = 0;

	if (!n || n > (uint64_t)TREE_MAX / BLOCK * PER_BLOCK)
		return false;
	do {
		n = (n + PER_BLOCK - 1) / PER_BLOCK;
		t->count[t->n_levels++] = n;
		t->n_blocks += n;
	} while (n > 1);
	for (size_t i = t->n_levels; i-- > 0;) {
		t->start[i] = at;
		at += t->count[i];
	}
	return true;
}

static const unsigned char *promise(const struct tree *t, size_t level, uint64_t i)
{
	return t->blocks + t->start[level] * BLOCK + i * SHA256_BYTES;
}

static int check_tree(struct tree *t, const unsigned char *root, struct verity_fault *fault)
{
	for (size_t level = t->n_levels; level-- > 0;)
		for (uint64_t i = 0; i < t->count[level]; i++) {
			const unsigned char *want = level + 1 == t->n_levels ? root : promise(t, level + 1, i);
			uint64_t block = t->start[level] + i;

			if (!is_block(t, t->blocks + block * BLOCK, want))
				return wrong(fault, true, block + 1, -EBADMSG,
					     block ? "is damaged" : "is not what the root hash promises");
		}
	return 0;
}

static int load_tree(const struct verity_file *data, const struct verity_file *f, struct tree *t,
		     struct verity_fault *fault)
{
	int r = read_superblock(f, t, fault);

	if (r < 0)
		return r;
	if (!lay_out(t) || f->size / BLOCK < t->n_blocks + 1)
		return wrong(fault, true, 0, -EBADMSG, "is too short for what it says");
	if (data->size / BLOCK < t->data_blocks)
		return wrong(fault, false, data->size / BLOCK, -EBADMSG, "is missing");
	t->blocks = xmalloc((size_t)t->n_blocks * BLOCK);
	r = f->read(f->arg, t->blocks, (size_t)t->n_blocks * BLOCK, BLOCK);
	return r < 0 ? wrong(fault, true, 1, r, "cannot be read") : 0;
}

int verity_check(const struct verity_file *data, const struct verity_file *tree,
		 const unsigned char root[SHA256_BYTES], void (*progress)(void *arg, uint64_t bytes),
		 void *progress_arg, struct verity_fault *fault)
{
	struct tree t = {.n_blocks = 0};
	_cleanup_free_ unsigned char *tree_memory = NULL, *buffer = xmalloc(READ_BLOCKS * BLOCK);
	int r = load_tree(data, tree, &t, fault);

	tree_memory = t.blocks;
	if (r == 0)
		r = check_tree(&t, root, fault);
	for (uint64_t at = 0; r == 0 && at < t.data_blocks;) {
		uint64_t n = t.data_blocks - at < READ_BLOCKS ? t.data_blocks - at : READ_BLOCKS;

		r = data->read(data->arg, buffer, (size_t)n * BLOCK, at * BLOCK);
		if (r < 0)
			return wrong(fault, false, at, r, "cannot be read");
		for (uint64_t i = 0; i < n; i++)
			if (!is_block(&t, buffer + i * BLOCK, promise(&t, 0, at + i)))
				return wrong(fault, false, at + i, -EBADMSG, "is damaged");
		at += n;
		if (progress)
			progress(progress_arg, n * BLOCK);
	}
	return r;
}
