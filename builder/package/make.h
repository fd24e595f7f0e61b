/*
 * The step `packages`: all our own packages, compiled in the sandbox with the compiler of tools-build and made into
 * .deb files. One step for all of them; what comes after it depends on each file's digest, so a change in one program
 * does not touch images without it.
 */
#pragma once

#include <stdint.h>

#include "common/base/error.h"
#include "common/base/strbuf.h"

struct packages_job {
	const char *source_root, *version;
	const char *tools_root; /* root folder of tools-build; read-only */
	uint64_t epoch;		/* of tools-build's lock */
	const char *out_dir;	/* absolute, empty: NAME.deb for each runtime/packages/NAME.yaml */
	const char *tmp_dir;	/* absolute; scratch */
	const char *log_path;	/* output of make and dpkg-deb; replaced */
};

/* Bump when the same sources give other bytes. */
enum { PACKAGES_REVISION = 3 };

int packages_make(const struct packages_job *job, struct error *err);

/*
 * Adds (store_input) digests of everything in the source tree that the packages are made from: VERSION, Makefile,
 * common/, runtime/, installer/, docs/, ...
 */
int packages_inputs(const char *source_root, struct strbuf *inputs, struct error *err);
