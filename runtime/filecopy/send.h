/* The sending end of a copy: walks what is named and writes the stream, then reads and judges the receiver's answer. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "runtime/filecopy/progress.h"
#include "runtime/filecopy/protocol.h"

struct send {
	int in, out; /* the receiver's answer; the stream */
	bool ignore_symlinks;
	struct progress *progress; /* may be NULL */
	struct error *err;
	/* Inside */
	uint64_t skipped;	/* sockets, devices and the like */
	uint64_t ignored_links; /* left out because the caller said so */
	uint32_t crc;
	char *buffer;
	size_t used;
	bool answered; /* the receiver spoke before the end */
};

/* SIGPIPE must be ignored: a receiver that leaves says why. */
void send_init(struct send *s, int in, int out, struct error *err);
/* One file or tree; it arrives under the last component of `path`. 0 or -errno with s->err set. */
int send_path(struct send *s, const char *path);
/* One entry whose body the caller adds with send_data(): for streams that do not come from files. */
int send_header(struct send *s, const struct file_header *h, const char *name);
int send_data(struct send *s, const void *data, size_t n);
/*
 * Sends the end marker unless an earlier call failed with `result`, and reads the answer. 0 only when the receiver has
 * confirmed every byte by its checksum.
 */
int send_finish(struct send *s, int result);
/* The same where nobody answers: 0 says only that all was written. */
int send_end(struct send *s, int result);
void send_free(struct send *s);
