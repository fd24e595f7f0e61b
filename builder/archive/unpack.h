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

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/blob.h"
#include "common/base/error.h"
#include "common/base/strbuf.h"
#include "common/base/strmap.h"

struct unpack_limits {
	uint64_t max_bytes;   /* 0: 16 GiB; a package without limits: 8 GiB */
	uint64_t max_members; /* 0: 2 million */
};

/* An uncompressed or compressed tar. `label` names the archive in messages. */
int unpack_tar(int fd, int dirfd, const char *label, const struct unpack_limits *limits,
	       struct error *err);

/* The data member of a .deb (deb(5)). */
int unpack_deb(int fd, int dirfd, const char *label, const struct unpack_limits *limits,
	       struct error *err);

/* What dpkg calls a new conffile before its package is configured. */
#define UNPACK_STAGED ".dpkg-new"

/*
 * For several packages that are unpacked into one root at the same time. Nothing that is there is
 * replaced: what two packages bring is refused, but for folders and equal links. Folders are made
 * with mode 0755; what the package wants of them is only noted.
 */
struct unpack_shared {
	const struct strmap *staged; /* names that get UNPACK_STAGED: conffiles, without a leading / */
	struct strbuf *names;	     /* "/usr/bin/x" a line, "/." for the root, in the archive's order */
	struct strbuf *folders;	     /* "MODE UID GID usr/bin" a line, the mode octal */
};

int unpack_deb_shared(int fd, int dirfd, const char *label, const struct unpack_limits *limits,
		      const struct unpack_shared *shared, struct error *err);

/* A package's control files: its "control", maintainer scripts, conffiles, ... */
enum { DEB_CONTROL_FILES = 32, DEB_CONTROL_MAX = 8 << 20 };

struct deb_control_file {
	char *name; /* without a slash */
	mode_t mode;
	int64_t mtime;
	struct strbuf text;
};

struct deb_control {
	struct deb_control_file files[DEB_CONTROL_FILES];
	size_t n;
};

/* There is always one called "control". Freed with deb_control_free, also after a failure. */
int deb_control_read(int fd, const char *label, struct deb_control *c, struct error *err);
/* NULL: the package has none of that name. */
const struct deb_control_file *deb_control_find(const struct deb_control *c, const char *name);
void deb_control_free(struct deb_control *c);

/* The text of the file "control" alone, appended to *text. */
int unpack_deb_control(int fd, const char *label, struct strbuf *text, struct error *err);
