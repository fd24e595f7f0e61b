/*
 * What a tree is, in lines that people can read and diff(1) can compare: one a member, sorted.
 *
 *     bulkhead-manifest 1
 *     d 0755 0:0 - /etc
 *     f 0644 0:0 SHA256 /etc/hostname
 *     l 0777 0:0 usr/bin /bin
 *     f 0755 0:0 SHA256 /usr/bin/ping cap=0100000200200000
 *
 * Kind (d folder, f file, l link, p fifo, c and b devices, s socket), permission bits, owner and group, digest
 * of a file or target of a link, path; a file's capabilities as the kernel keeps them. Hard links
 * are files. In paths and targets blanks, backslashes and what is not printable are \ooo.
 */
#pragma once

#include <stddef.h>

#include "common/base/arena.h"
#include "common/base/blob.h"
#include "common/base/error.h"
#include "common/base/strbuf.h"

struct manifest_entry {
	const char *path; /* all of these escaped */
	const char *mode, *owner, *content;
	const char *more; /* "cap=...", or "" */
	char kind;
};

struct manifest {
	struct manifest_entry *list; /* sorted by path */
	size_t n;
};

/* All in the arena. A tar stream or an ISO 9660 image, by libarchive. */
int manifest_of_archive(struct arena *a, const char *path, struct manifest *m, struct error *err);
/* The same of an open file; `path` is for messages. */
int manifest_of_archive_fd(struct arena *a, int fd, const char *path, struct manifest *m, struct error *err);
/* A folder of this machine; owners as they are here. */
int manifest_of_folder(struct arena *a, const char *path, struct manifest *m, struct error *err);
/* -EBADMSG with `where` and the line when it is none. */
int manifest_parse(struct arena *a, const char *where, struct blob text, struct manifest *m, struct error *err);
void manifest_sort(struct manifest *m); /* by path */
void manifest_format(const struct manifest *m, struct strbuf *text);
/* Whether a text begins as a manifest does. */
bool manifest_is(struct blob text);
