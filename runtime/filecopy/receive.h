/*
 * The receiving end of a copy: reads the stream from a descriptor that nobody vouches for and makes files below a folder.
 * Nothing is allocated by what the stream says, and no link is followed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/filecopy/protocol.h"

struct receive {
	int in, root; /* the stream; the folder */
	bool allow_symlinks, allow_directories;
	unsigned name_flags;	       /* enum name_flags */
	uint64_t max_bytes, max_files; /* 0: no limit */
	uint64_t wait_for_space;       /* bytes to keep free by waiting, 0: never wait */
	bool verbose;		       /* names of files on stderr */
	/* The result */
	uint32_t error_code;
	uint32_t crc;
	char last_name[FILECOPY_PATH_MAX + 1];
	uint32_t last_namelen;
	/* Inside */
	uint64_t bytes, files;
	char *buffer;
	size_t at, end;
	int parent; /* the folder that the last name was in, -1: none */
	char parent_name[FILECOPY_PATH_MAX];
	char name[FILECOPY_PATH_MAX], target[FILECOPY_PATH_MAX];
};

/*
 * Before anything that forbids system calls; afterwards receive_run() needs no memory and opens nothing outside of `root`.
 * The structure is large: keep it off the stack.
 */
void receive_init(struct receive *r, int in, int root);
/* Reads up to the end marker or the first error; the result is in *r. Returns whether all went well. */
bool receive_run(struct receive *r);
/* Sends the result to the sender: 0 or -errno. */
int receive_answer(const struct receive *r, int out);
void receive_free(struct receive *r);
