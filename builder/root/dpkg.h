/* dpkg of the root that is being made, run in that root. */
#pragma once

#include <stdbool.h>

#include "builder/sandbox.h"
#include "common/base/strv.h"

struct dpkg_run {
	const char *root;	  /* absolute */
	const char *upper, *work; /* an overlay over root; NULL: root itself is written */
	const struct sandbox_bind *binds;
	size_t n_binds;
	const char *noop; /* absolute path of a program that does nothing */
	uint64_t epoch;
	struct strbuf *log;
	unsigned timeout_s; /* 0: an hour */
};

/* Where packages are seen inside: /run/bulkhead/debs/FILE. */
#define DPKG_DEBS "/run/bulkhead/debs"

/* "dpkg --install --force-depends": the essential set, whose order dpkg finds itself. */
int dpkg_install_essential(const struct dpkg_run *d, const struct strv *files, struct error *err);
/* For packages of the essential set whose others are unpacked, but nothing is configured yet. */
int dpkg_unpack_essential(const struct dpkg_run *d, const struct strv *files, struct error *err);
int dpkg_unpack(const struct dpkg_run *d, const struct strv *files, struct error *err);
/*
 * "dpkg --configure -a", with what would act on a running machine, or makes an initramfs, replaced
 * by `noop`: an initramfs is an artefact of its own, made once from the finished root.
 *
 * complete: every dependency can be met. False while our own packages, on which others may depend,
 * are still to come; that the whole is complete was shown by the solver that wrote the lock.
 */
int dpkg_configure(const struct dpkg_run *d, bool complete, struct error *err);
