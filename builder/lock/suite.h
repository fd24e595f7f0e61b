/* The verified indexes of one suite: its Release text and its Packages files, as they will be given
 * to the solver. */
#pragma once

#include "builder/deb/release.h"
#include "builder/fetch/fetch.h"
#include "builder/lock/lock.h"

struct lock_suite_packages {
	const char *component;
	char sha256[SHA256_HEX]; /* of the file as downloaded */
	char *path; /* below dists/SUITE/, uncompressed: "main/binary-amd64/Packages" */
	struct strbuf text;
};

struct lock_suite {
	const char *name;
	enum lock_archive archive;
	char sha256[SHA256_HEX]; /* of InRelease */
	struct strbuf text;		  /* what is signed */
	struct deb_release release;	  /* points into text */
	struct lock_suite_packages *packages;
	size_t n_packages;
};

struct lock_suite_request {
	const struct fetch_options *fetch;
	struct blob keys;
	const char *suite, *arch;
	const char *const *components;
	const struct lock *previous; /* or NULL */
	bool allow_expired;
};

/* Suites of security updates ("trixie-security") lie in the security archive. */
enum lock_archive lock_suite_archive(const char *suite);
/*
 * Fetches and verifies, from the first mirror whose indexes pass: signature, name, dates, digests.
 * The strings of the request must outlive *out. Errors as lock_resolve().
 */
int lock_suite_fetch(const struct lock_suite_request *q, struct lock_suite *out, struct error *err);
void lock_suite_free(struct lock_suite *s);
