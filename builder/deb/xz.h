/* One .xz file in memory. */
#pragma once

#include "common/base/blob.h"
#include "common/base/error.h"
#include "common/base/strbuf.h"

/* Appends the content to *out: exactly `size` bytes, or -EBADMSG. Needs at most 128 MiB. */
int deb_xz_decode(const char *name, struct blob in, size_t size, struct strbuf *out,
		  struct error *err);
