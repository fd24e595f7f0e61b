/*
 * Archives into folders, for our own root.tar and for packages. libarchive reads (formats and
 * decompression), we write: relative to a descriptor, never through a link that leaves the folder.
 *
 * Refused with -EBADMSG, err naming the member: absolute names, "..", writes through a link that
 * leaves the folder, hard links to such or to what the archive did not bring, members that come
 * twice (directories may), device nodes, more than `max_bytes` in all, more than `max_members`.
 * Targets of symbolic links are data and stay as they are.
 *
 * Meant to be called in the sandbox (sandbox_call), with nothing but the folder in reach.
 */
#pragma once

#include <stdint.h>

#include "common/base/blob.h"
#include "common/base/error.h"
#include "common/base/strbuf.h"

struct unpack_limits {
	uint64_t max_bytes;   /* 0: 16 GiB */
	uint64_t max_members; /* 0: 2 million */
};

/* An uncompressed or compressed tar. `label` names the archive in messages. */
int unpack_tar(int fd, int dirfd, const char *label, const struct unpack_limits *limits,
	       struct error *err);

/* The data member of a .deb (deb(5)). */
int unpack_deb(int fd, int dirfd, const char *label, const struct unpack_limits *limits,
	       struct error *err);

/* The file "control" of a .deb's control member, at most 1 MiB, appended to *text. */
int unpack_deb_control(int fd, const char *label, struct strbuf *text, struct error *err);
