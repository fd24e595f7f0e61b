/* Lists of digests in the form of sha256sum(1), so that people can check them with that. */
#pragma once

#include <stddef.h>

#include "common/base/arena.h"
#include "common/base/blob.h"
#include "common/base/error.h"
#include "common/base/strbuf.h"
#include "common/sys/hash.h"

#define SUMS_NAME "SHA256SUMS"
/* On a medium: at its top, of all its files but itself and those that xorriso writes into. */
#define MEDIUM_SUMS "/" SUMS_NAME
/* In that list, a comment for others: the digest of the EFI system partition, which is no file. */
#define MEDIUM_SUMS_ESP "# EFI system partition: "

struct sum {
	char hex[SHA256_HEX];
	const char *name;
};

struct sums {
	struct sum *list; /* in the order of the text */
	size_t n;
	char esp[SHA256_HEX]; /* "": none */
};

void sums_add(struct strbuf *text, const char hex[SHA256_HEX], const char *name);
/* In the arena. -EBADMSG with `where` and the line: no such list; -E2BIG: more than 65536 lines. */
int sums_parse(struct arena *a, const char *where, struct blob text, struct sums *out,
	       struct error *err);
/* The digest of that name, or NULL. */
const char *sums_find(const struct sums *s, const char *name);
