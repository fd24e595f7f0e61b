/*
 * The tar stream that every artefact is made from: POSIX ustar (pax headers only where a field does
 * not fit, and for file capabilities), members sorted by path, owners as numbers, no time later
 * than the epoch. The same tree gives the same bytes whatever the file system's order, inode
 * numbers and clock.
 *
 * Names are "./" and "./path"; a directory ends in "/". Hard links point at the member that comes first.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/error.h"

struct tar_writer;

struct tar_member {
	const char *name; /* "./usr/bin/x"; directories with "/" at the end */
	char type;	  /* '0' file, '1' hard link, '2' symbolic link, '5' directory, '6' fifo */
	const char *link; /* '1' (a member's name) and '2', else NULL */
	mode_t mode;	  /* permission bits */
	uint32_t uid, gid;
	uint64_t size; /* '0' */
	int64_t mtime;
	const char *capability; /* value of security.capability, or NULL */
	size_t capability_size;
};

/* Writes to `fd`, which stays the caller's. Members must come sorted; that is the caller's care. */
struct tar_writer *tar_writer_new(int fd);
/* The header; for a file the caller then gives exactly member->size bytes. 0 or -errno. */
int tar_writer_member(struct tar_writer *w, const struct tar_member *m);
int tar_writer_data(struct tar_writer *w, const void *data, size_t n);
/* Pads, writes the end and frees. 0 or -errno. */
int tar_writer_end(struct tar_writer *w);
void tar_writer_free(struct tar_writer *w);

/*
 * The whole tree below dirfd. Directories get the epoch as their time: when something was put into
 * them depends on how a root was made, not on what it is. Sockets are left out; a device node is an
 * error, as is an extended attribute in the security namespace other than file capabilities.
 */
int tar_write_tree(int dirfd, int fd, uint64_t epoch, struct error *err);
