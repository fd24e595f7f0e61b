/*
 * The lock of an image: which packages it is made of, to the byte. Text, one line a
 * thing, committed beside the definition; the build needs nothing else to fetch and verify its
 * packages.
 *
 *     bulkhead-lock 1
 *     image debian-13-minimal
 *     architecture amd64
 *     index main trixie main 2026-09-12T07:55:41Z RELEASE-SHA256 PACKAGES-SHA256
 *     local bulkhead-guest
 *     package main apt 3.0.3 amd64 1440000 SHA256 pool/main/a/apt/apt_3.0.3_amd64.deb
 *
 * `index ARCHIVE SUITE COMPONENT DATE ...`: where the answer came from: sha256 of InRelease and of
 * the Packages file as it was downloaded, one line for each component of each suite, in the
 * definition's order. `package ARCHIVE NAME VERSION ARCHITECTURE SIZE SHA256 PATH`, sorted by name;
 * PATH is relative to the archive's base. `local NAME`: a package of ours, made by this build.
 * Lines that begin with # and empty lines are skipped.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/blob.h"
#include "common/base/error.h"
#include "common/base/strbuf.h"
#include "common/sys/hash.h"

/* Debian keeps security updates in an archive of their own, with mirrors of its own. */
enum lock_archive { LOCK_MAIN, LOCK_SECURITY };

/* No package of a distribution comes near; a larger size in a lock is refused. */
#define LOCK_MAX_PACKAGE_SIZE (UINT64_C(8) << 30)
#define LOCK_MAX_FILE_SIZE (16u << 20)

struct lock_index {
	enum lock_archive archive;
	const char *suite, *component;
	int64_t date; /* of the Release file, seconds since 1970 */
	char release_sha256[SHA256_HEX];
	char packages_sha256[SHA256_HEX];
};

struct lock_package {
	enum lock_archive archive;
	const char *name, *version, *arch; /* arch: the package's own, "amd64" or "all" */
	const char *path; /* in the archive: relative, no "..", safe characters only */
	uint64_t size;
	char sha256[SHA256_HEX];
};

/* All strings live in the arena. Arrays are sorted as in the file. */
struct lock {
	struct arena *arena;
	const char *image, *arch;
	struct lock_index *indexes;
	size_t n_indexes;
	const char **locals;
	size_t n_locals;
	struct lock_package *packages;
	size_t n_packages;
};

/* An empty lock for `image` and `arch`, freed with lock_free(). */
struct lock *lock_new(const char *image, const char *arch);
void lock_free(struct lock *l);

static inline void cleanup_lock(struct lock **l)
{
	lock_free(*l);
}
#define _cleanup_lock_ _cleanup_(cleanup_lock)

/* Reads the file. -ENOENT when there is none, -EBADMSG when it is wrong: err names file:line. */
int lock_read(const char *path, struct lock **out, struct error *err);
/* As lock_read(), from text; `name` stands for the file in messages. */
int lock_parse(const char *name, struct blob text, struct lock **out, struct error *err);

/* The file's text: the same for the same lock, whatever order its parts were added in. Sorts
 * packages and locals. */
void lock_format(struct lock *l, struct strbuf *out);
/* Replaces the file as a whole. */
int lock_write(struct lock *l, const char *path, struct error *err);

/* Each copies what it is given into the arena. */
void lock_add_index(struct lock *l, const struct lock_index *index);
void lock_add_package(struct lock *l, const struct lock_package *package);
void lock_add_local(struct lock *l, const char *name);

/* By name, in a lock that was read or formatted; NULL when it has none. */
const struct lock_package *lock_find_package(const struct lock *l, const char *name);
bool lock_has_local(const struct lock *l, const char *name);
/* The index of that suite and component, or NULL. */
const struct lock_index *lock_find_index(const struct lock *l, enum lock_archive archive,
					 const char *suite, const char *component);
/* The date of the newest index: the clock (SOURCE_DATE_EPOCH) of everything built from this lock. 0
 * without one. */
int64_t lock_epoch(const struct lock *l);
/* Bytes of all packages. */
uint64_t lock_total_size(const struct lock *l);
/* "openssl_3.5.4-1_amd64.deb": the last part of the path, for messages. */
const char *lock_package_file(const struct lock_package *p);
