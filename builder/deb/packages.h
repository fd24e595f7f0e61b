/* Packages files: one stanza a package. Only read after their digest was verified. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/blob.h"
#include "common/base/error.h"

/* What the lock needs of a package; the strings point into the text and have passed builder/lock/words.h. */
struct deb_package {
	struct blob name, version, arch, path, sha256;
	uint64_t size;
	bool essential;
};

/* Return 0 to go on; anything else ends the walk and is its result. */
typedef int deb_package_fn(const struct deb_package *p, void *arg);

/* Calls fn for each package, in the file's order. -EBADMSG: err names `name`:line. */
int deb_packages_each(const char *name, struct blob text, deb_package_fn *fn, void *arg,
		      struct error *err);
