/* Several scenarios at a time, as many as processors and memory of the host carry; each in a process of its own. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct pool_job {
	uint64_t memory_mib, cpus; /* what the machine takes */
	bool waits;		   /* for job `after`, an earlier one, to end */
	unsigned after;
};

struct pool {
	unsigned jobs; /* at most so many at a time */
	/* What the host has for machines. */
	uint64_t memory_mib, cpus;
	/* Runs job i; its return is the process' exit code. */
	int (*run)(unsigned i);
	/* In the caller's process, when it has ended. */
	void (*ended)(unsigned i);
};

/* What this host has: all processors, and three quarters of the memory that is free now. */
void pool_measure(struct pool *p);
/*
 * Starts jobs in their order, each when the host has room for it; one that asks for more than there is runs alone.
 * No more of them once the run is stopped.
 * 0, -EINTR when it was, or -errno when a process cannot be made.
 */
int pool_run(const struct pool *p, const struct pool_job *jobs, unsigned n);
/* What a stopped run (qa/stop.h) does first: jobs that run get SIGTERM. Async-signal-safe. */
void pool_stop(void);
