/*
 * Roots of the deb family, in three steps whose results lie in the store:
 *
 *   base    the locked packages of the distribution, unpacked and configured by their own dpkg in the sandbox
 *   root    our packages and the definition's overlay laid over it, normalised: root.tar, what all artefacts come from
 *   folder  root.tar as a folder: root of tools, and of programs that need the image itself (dracut)
 *
 * Base is a step of its own so that a change in our programs costs seconds, not a whole installation.
 */
#pragma once

#include <stdint.h>

#include "builder/definition.h"
#include "builder/fetch/fetch.h"
#include "builder/lock/lock.h"
#include "common/base/error.h"
#include "common/base/strv.h"

/* Bump when the same inputs give other bytes. */
enum {
	ROOT_BASE_REVISION = 1,
	ROOT_DIRECT_REVISION = 1,
	ROOT_FINISH_REVISION = 2,
	ROOT_FOLDER_REVISION = 1
};

/* In a root: SHA-256 of what else lies on its medium, in the form of sha256sum(1). The installer reads it. */
#define ROOT_MEDIUM_DIGESTS "usr/lib/bulkhead/medium.sha256"

struct root_job {
	const struct definition *definition;
	const struct lock *lock;
	const char *cache;    /* of packages, as in struct fetch_options */
	const char *out_dir;  /* absolute; empty */
	const char *tmp_dir;  /* absolute; scratch on the same file system */
	unsigned timeout_s;   /* of a run of dpkg with its scripts; 0: an hour */
	struct blob medium_digests; /* text of ROOT_MEDIUM_DIGESTS; empty: there is none */
	const char *log_path; /* where the output of dpkg and package scripts goes; replaced */
};

/* Makes out_dir/root. All packages must be in the cache, verified (fetch_lock). */
int root_base_build(const struct root_job *job, struct error *err);

/* The same, with packages unpacked by us (builder/root/direct): fetches them as it goes.
 * `reviewed`: path of the data file of builder/root/direct/review.h. */
int root_base_build_direct(const struct root_job *job, const struct fetch_options *fetch,
			   const char *reviewed, struct error *err);

/* Makes out_dir/root.tar from the base at `base` and the .deb files `packages` (absolute paths, sorted). */
int root_finish(const struct root_job *job, const char *base, const struct strv *packages,
		struct error *err);

/* Makes out_dir/root from a root.tar. */
int root_unpack(const char *root_tar, const char *out_dir, struct error *err);
