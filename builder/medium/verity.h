/*
 * Checking data against a dm-verity hash tree as veritysetup(8) writes it (kernel documentation,
 * device-mapper/verity; version 1, SHA-256), without a device: for a file inside an image.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/sys/hash.h"

struct verity_file {
	/* Exactly n bytes, or a negative errno. */
	int (*read)(void *arg, void *to, size_t n, uint64_t offset);
	void *arg;
	uint64_t size;
};

/* What is wrong, when it is. */
struct verity_fault {
	bool in_tree; /* else in the data */
	uint64_t offset, block;
	const char *cause;
};

/*
 * 0, or -EBADMSG with *fault: the first block, of the tree from its root on and then of the data,
 * that is not what `root` promises; or another -errno, of reading, also with *fault. `progress` (may
 * be NULL) is told of each piece of data.
 */
int verity_check(const struct verity_file *data, const struct verity_file *tree,
		 const unsigned char root[SHA256_BYTES], void (*progress)(void *arg, uint64_t bytes),
		 void *progress_arg, struct verity_fault *fault);
