/*
 * A byte channel to the machine: what comes in is kept in memory (the newest 4 MiB) and in a log file. The harness
 * polls all channels of a machine together, so none of QEMU's sockets ever fills up.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/strbuf.h"

struct channel {
	const char *name;
	int fd;	    /* -1: closed by the other side */
	int log_fd; /* -1: not logged */
	struct strbuf text;
	size_t seen; /* text before this offset has been matched already */
};

#define CHANNEL_CLOSED {.fd = -1, .log_fd = -1}

/* Connects to the UNIX socket. -EAGAIN: nobody listens there yet. */
int channel_open(struct channel *c, const char *name, const char *socket, const char *log, struct error *err);
void channel_close(struct channel *c);
/* Reads what is there; true when something came. */
bool channel_pump(struct channel *c);
/* Looks for the text behind what was matched before; on success everything up to its end counts as seen. */
bool channel_match(struct channel *c, const char *text);
/* The next whole line behind what was seen, NUL-terminated in *line; false when there is none yet. */
bool channel_line(struct channel *c, struct strbuf *line);
int channel_send(struct channel *c, const char *text, size_t n);
/* The last `lines` lines, for a report. */
struct blob channel_tail(const struct channel *c, unsigned lines);
