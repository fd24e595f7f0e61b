/*
 * Asking apt: a private root in which apt knows nothing but verified indexes, an empty dpkg
 * database and our own packages, and in which it only simulates. Its options follow what
 * apt.conf(5) documents.
 */
#pragma once

#include "builder/lock/suite.h"
#include "builder/store.h"
#include "common/base/strv.h"

struct apt_query {
	struct store *store; /* in whose scratch the private root is made */
	const char *arch;
	const struct lock_suite *suites;
	size_t n_suites;
	struct blob local;	    /* Packages text of our own packages; may be empty */
	const struct strv *install; /* names, or anything apt-get install takes */
	const char *apt_root;	    /* whose apt; NULL: the host's */
};

/*
 * "NAME VERSION ARCH" for each package that apt would install, in its order, pushed to *chosen.
 * -ENOPKG: no solution, err holds what apt said.
 */
int apt_solve(const struct apt_query *q, struct strv *chosen, struct error *err);
/* Reads what `apt-get -s install` printed; split off for tests and fuzzing. -EBADMSG: a line is not understood. */
int apt_read_answer(struct blob text, struct strv *chosen, struct error *err);
