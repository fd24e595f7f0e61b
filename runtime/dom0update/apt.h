/* dom0's apt, kept to the folder of what was fetched: it judges signatures and digests, and says what it wants. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/strbuf.h"
#include "common/base/strv.h"

struct apt {
	const char *state; /* folder with sources/, lists/ and mirror/ */
	bool quiet;
};

/* Takes in the fetched indexes. -EBADMSG: one is not signed as it must be, too old, or does not fit its signature. */
int apt_refresh(const struct apt *a, struct error *err);
/*
 * What has to be fetched so that `packages` (none: all there is) can be brought up to date: "file:..." URIs to *uris, and
 * for people a line "NAME VERSION" each to *names. *bytes: their sum.
 */
int apt_wanted(const struct apt *a, const struct strv *packages, struct strv *uris, struct strv *names, uint64_t *bytes,
	       struct error *err);
/* Parses what apt-get --print-uris prints; split off for tests. -EBADMSG: a line is not understood. */
int apt_read_uris(struct blob text, struct strv *uris, struct strv *names, uint64_t *bytes, struct error *err);
/* The packages that have to go for that, which no other word of apt's names before it is done. */
int apt_removed(const struct apt *a, const struct strv *packages, struct strv *names, struct error *err);
/* Their names out of what apt-get --simulate prints, whose other lines are passed over; split off for tests. */
void apt_read_removed(struct blob text, struct strv *names);
int apt_install(const struct apt *a, const struct strv *packages, struct error *err);
