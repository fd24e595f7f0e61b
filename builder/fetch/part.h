/*
 * What has arrived of a file so far, in the cache beside its later name (HASH.part); inside builder/fetch/. It outlives
 * a broken connection, the change to another mirror and the process, and the next attempt goes on behind it. One
 * process at a time has it; another one that wants the same file begins its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "builder/fetch/fetch.h"
#include "common/sys/hash.h"

struct part {
	char *path; /* NULL: not open */
	int fd;
	bool own;      /* under a name that nobody else will look for */
	uint64_t size; /* bytes there, all of them in the digest */
	struct sha256 *digest;
};

#define PART_CLOSED {.fd = -1}

/* Less than the item's size is there afterwards, perhaps nothing. 0, or -errno with err. */
int part_open(struct part *p, const char *cache, const struct fetch_item *item, struct error *err);
/* Appends. 0 or -errno. */
int part_add(struct part *p, const void *data, size_t n);
/* Forgets what has arrived. 0 or -errno. */
int part_reset(struct part *p);
/* Ends the digest: whether it is `sha256`. Only part_reset(), part_keep() and part_close() may follow. */
bool part_is(struct part *p, const char *sha256);
/* Gives it its name in the cache and closes it. 0 or -errno. */
int part_keep(struct part *p, const char *cache, const struct fetch_item *item);
/* Leaves what has arrived to whoever comes next. */
void part_close(struct part *p);
