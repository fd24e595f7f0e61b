/*
 * What people have found out about packages, as data (builder/root/direct/reviewed): which preinst
 * scripts do nothing when a package is installed for the first time, and which packages only dpkg
 * may unpack. Lines:
 *
 *   preinst SHA256 NAME REASON...
 *   dpkg NAME REASON...
 */
#pragma once

#include <stdbool.h>

#include "common/base/blob.h"
#include "common/base/error.h"
#include "common/base/strmap.h"

#define REVIEW_FILE "builder/root/direct/reviewed"

struct review {
	struct strmap preinsts; /* hashes of scripts that do nothing */
	struct strmap dpkg;	/* names of packages */
};

/* -EBADMSG: a line is wrong; err names it. */
int review_parse(struct blob text, struct review *review, struct error *err);
void review_free(struct review *review);
/* Whether the script does nothing when its package is new. */
bool review_preinst(const struct review *review, struct blob script);
