/*
 * In which order packages become a root: the Essential set with what it depends on goes in first,
 * in one piece; the rest in waves, so that what a package pre-depends on (Debian policy 7.2) is
 * configured in an earlier wave.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/base/blob.h"
#include "common/base/error.h"

struct plan_package {
	struct blob control; /* its control file's text; must outlive the call */
	const char *label;   /* what messages call it */
	/* Results */
	bool essential;
	unsigned wave; /* 0 is the first after the essential set */
};

enum { PLAN_WAVES_MAX = 64 };

/* Fills the results. *waves: how many there are. -EBADMSG: a control file is wrong, or Pre-Depends
 * go in circles. */
int plan_make(struct plan_package *packages, size_t n, unsigned *waves, struct error *err);
