/*
 * A start or stop in progress: a list of named steps, each of which either is done at once or
 * reports later. The first failure of a start turns it into the steps that undo it. None blocks the
 * daemon, and at most one works on a qube at a time. The steps are in steps.c.
 */
#pragma once

#include "runtime/qubesd/call.h"
#include "runtime/qubesd/child.h"
#include "runtime/qubesd/storage.h"

struct job;

enum step_result {
	STEP_DONE,
	STEP_LATER, /* job_step_done() will come */
	STEP_FAILED /* job->err is set */
};

struct job_step {
	const char *name; /* for the log and for timings; NULL ends a list */
	enum step_result (*run)(struct job *j);
};

struct job {
	struct qubesd *d;
	struct vm *vm;
	struct arena *arena;
	const struct job_step *step;
	bool starting; /* start steps, or those that stop and undo */
	struct storage storage;
	struct child *child; /* what the current step waits for */
	sd_event_source *again; /* the domain could not be ended: until the next attempt */
	int made;	     /* the domain that came up while one was being made for it, -1: none did */
	bool lost;	     /* what made it did not get to tell how that ended */
	struct error err;    /* of the current step */
	const char *failure; /* why the start is being undone; from the arena */
	bool no_memory;	     /* that was for want of memory */
	const char *warning; /* of a start that went well; from the arena, or NULL */
	const char *blocks; /* disk= lines of assigned block devices; from the arena */
	bool storage_known;
	bool ran;	       /* the domain was let run */
	bool queued;	       /* waits for another domain to be made */
	struct call **waiting; /* answered when the start is through, well or not */
	size_t n_waiting;
	struct job **waiting_jobs; /* starts that need this qube as their netvm; NULL: given up */
	size_t n_waiting_jobs;
	struct job *waits_for; /* the start of the netvm */
	int nic_backend;       /* domain of the netvm it was made with, -1: none */
	int64_t began;	      /* now_ms(), of the current step */
	struct strbuf timing; /* "storage 12 ms, ..." */
};

extern const struct job_step start_steps[], stop_steps[];

/* Why the qube may not start, or NULL. */
const char *job_prohibited(const struct vm *vm);
/* The start of a halted qube, not yet running: the caller adds who waits for it, then runs it. */
struct job *job_begin(struct qubesd *d, struct vm *vm);
/* Goes on with the current step. */
void job_run(struct job *j);
/* A start that is under way is given up; it answers its calls with this reason. */
void job_abort(struct job *j, const char *why);
/* The domain has ended, or is to: what belongs to it is taken down. */
void job_stop(struct qubesd *d, struct vm *vm);
/* The domain that gives network to a qube, -1 when none runs. */
int job_net_backend(const struct model *m, const struct vm *vm);

/* A domain whose start was not got through, because qubesd ended in the middle of it. */
bool job_was_interrupted(const struct qubesd *d, const struct vm *vm);
/* A queued job is given up; its turn will not come. */
void job_step_cancelled(struct job *j);
/* The current step ended: r < 0 is a failure with j->err set. */
void job_step_done(struct job *j, int r);
/* The current step waits for another qube's start, which is begun if need be; STEP_DONE: it runs. */
enum step_result job_start_first(struct job *j, struct vm *other);
/* Runs a child for the current step; STEP_LATER, or STEP_FAILED with j->err set. */
enum step_result job_child(struct job *j, const struct child_spec *spec, child_done_fn done);
