/*
 * Programs and forked work that the daemon starts and does not wait for: the end is reported by a
 * callback from the event loop. SIGCHLD has to be blocked in the process (sd_event_add_child(3)).
 */
#pragma once

#include <systemd/sd-event.h>

#include "common/base/blob.h"
#include "common/base/error.h"
#include "common/base/strbuf.h"

struct child;

/*
 * status: exit code, 128 + signal, or -ETIMEDOUT after it was killed for lasting too long. `out` is
 * what it wrote to stdout, NUL-terminated, cut after 64 KiB; only valid in the callback. The child
 * is gone when this is called.
 */
typedef void (*child_done_fn)(void *user, int status, const char *out);
/* Runs in the forked child. 0 or -errno with *err, whose text becomes `out`, the status 1. */
typedef int (*child_work_fn)(const void *arg, struct error *err);

/* The same for work with a result, which becomes `out`. */
typedef int (*child_produce_fn)(const void *arg, struct strbuf *out, struct error *err);

struct child_spec {
	const char *const *argv; /* a program, or NULL and */
	child_work_fn work;	 /* a function of ours with its argument, or NULL and */
	child_produce_fn produce; /* one with a result */
	const void *arg;
	struct blob input;	/* stdin of a program */
	size_t out_max;		/* of what is collected, the rest is dropped; 0: 64 KiB */
	bool capture;		/* stdout is collected; else it goes where ours does */
	const char *const *env; /* further NAME=VALUE, NULL-terminated, or NULL */
	unsigned timeout;	/* seconds; 0: no limit */
};

/* 0 and *child, or -errno when it could not be started; the callback comes only after success. */
int child_start(sd_event *event, const struct child_spec *spec, child_done_fn done, void *user,
		struct child **child);
/* Kills it; the callback comes as usual. */
void child_kill(struct child *c);
