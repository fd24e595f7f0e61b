/* Release files (https://wiki.debian.org/DebianRepository/Format): only read after their signature
 * was verified. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/blob.h"
#include "common/base/error.h"
#include "common/sys/hash.h"

struct deb_release {
	struct blob text; /* what the others point into */
	struct blob suite, codename;
	int64_t date, valid_until; /* seconds since 1970; valid_until 0: no end */
	bool by_hash;
	struct blob files; /* the SHA256 field */
};

struct deb_release_file {
	uint64_t size;
	char sha256[SHA256_HEX];
};

/* `name` stands for the file in messages. -EBADMSG when it is wrong. The text must outlive *out. */
int deb_release_parse(const char *name, struct blob text, struct deb_release *out,
		      struct error *err);
/* Size and digest of an index ("main/binary-amd64/Packages.xz"); -ENOENT when the Release does not
 * list it. */
int deb_release_find(const struct deb_release *r, const char *path, struct deb_release_file *out);
/* Does the Release call itself `suite`, by suite or code name? "trixie-security" may be "stable-security". */
bool deb_release_is(const struct deb_release *r, const char *suite);
