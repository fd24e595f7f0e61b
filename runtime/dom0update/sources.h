/*
 * The package sources of dom0 (sources.list(5), the deb822 form), which dom0 itself cannot reach: what has to be fetched
 * for them, and the same sources read from a folder instead.
 */
#pragma once

#include "common/base/error.h"
#include "common/base/strbuf.h"
#include "common/base/strv.h"

/*
 * Reads one file of sources. Pushes "URI" of each signed list and each index of packages to *indexes, and appends the
 * sources with every http://HOST/PATH as file:MIRROR/HOST/PATH to *local. -EINVAL with file, and what is wrong with it.
 */
int sources_read(const char *name, struct blob text, const char *mirror, struct strv *indexes, struct strbuf *local,
		 struct error *err);
/* "HOST/PATH" of an http or https URI, as it lies below the mirror; NULL: it is none, or not one to make a path of. */
const char *sources_path(const char *uri);
