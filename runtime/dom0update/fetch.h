/*
 * Files from outside, by way of the update qube: dom0 names them, the qube downloads and sends them, and nothing but what
 * was named is taken. Nothing of it is believed: signatures and digests are apt's business, afterwards.
 */
#pragma once

#include <stdint.h>

#include "common/base/error.h"
#include "common/base/strv.h"

#define FETCH_SERVICE "qubes.DownloadDom0Updates"

struct fetch_from {
	const char *qube;
	const char *call;     /* makes the call: qvm-run */
	const char *unpacker; /* receives, locked into its folder: qfile-dom0-unpacker */
	const char *incoming; /* folder for what comes, made new */
	const char *mirror;   /* folder that what was named is moved into */
	uint64_t max_bytes;   /* the qube may send */
};

/* 0, or -errno: the call failed, or a file that was named did not come; err names it. */
int fetch_files(const struct fetch_from *from, const struct strv *uris, struct error *err);
