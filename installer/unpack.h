/*
 * A zstd stream into a sparse file: blocks of zeros become holes, the digest of what went in is compared with the
 * one promised (digesting gigabytes of unpacked zeros would show nothing more), and the file exists under its name only when it is whole.
 */
#pragma once

#include "installer/copy.h"

/*
 * `sha256`: 64 digits, of the packed file. `watch` counts bytes read from `from_path`. Errors: -EBADMSG when the
 * stream or the digest is wrong; the unfinished file is removed.
 */
int unpack_zstd(const char *from_path, const char *to_path, const char *sha256, const struct copy_watch *watch,
		struct error *err);
