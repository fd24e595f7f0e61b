#include "runtime/qubesd/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/alloc.h"
#include "common/sys/clock.h"
#include "runtime/qubesd/block.h"
#include "runtime/qubesd/dispvm.h"
#include "runtime/qubesd/lifecycle.h"
#include "runtime/qubesd/pci.h"
#include "runtime/qubesd/property_net.h"
#include "runtime/qubesd/sync.h"
#include "runtime/qubesd/volume.h"

static struct job *job_new(struct qubesd *d, struct vm *vm, bool starting)
{
	struct job *j = xcalloc(1, sizeof(*j));

	*j = (struct job){
		.d = d,
		.vm = vm,
		.arena = arena_new(),
		.starting = starting,
		.step = starting ? start_steps : stop_steps,
		.made = -1,
		.began = now_ms(),
	};
	vm->job = j;
	return j;
}

static void job_free(struct job *j)
{
	error_free(&j->err);
	sd_event_source_disable_unref(j->again);
	strbuf_free(&j->timing);
	free(j->waiting);
	free(j->waiting_jobs);
	arena_free(j->arena);
	free(j);
}

static void answer_waiting(struct job *j)
{
	for (size_t i = 0; i < j->n_waiting_jobs; i++) {
		struct job *other = j->waiting_jobs[i];

		if (!other)
			continue;
		other->waits_for = NULL;
		other->warning = j->warning ? arena_strdup(other->arena, j->warning) : NULL;
		job_step_done(other,
			      j->failure ? error_set(&other->err, -EIO, other->vm->name, NULL,
						     "its netvm did not start: %s", j->failure)
					 : 0);
	}
	for (size_t i = 0; i < j->n_waiting; i++) {
		if (!j->failure && blob_eq_str(j->waiting[i]->request.argument, "timing"))
			strbuf_add_str(&j->waiting[i]->out, j->timing.p ? j->timing.p : "");
		if (!j->failure && blob_eq_str(j->waiting[i]->request.argument, "warning"))
			strbuf_add_str(&j->waiting[i]->out, j->warning ? j->warning : "");
		if (j->failure)
			call_raise(j->waiting[i], j->no_memory ? "QubesMemoryError" : "QubesVMError", "%s", j->failure);
		call_finish(j->waiting[i]);
	}
	j->n_waiting_jobs = j->n_waiting = 0;
}

int job_net_backend(const struct model *m, const struct vm *vm)
{
	const struct vm *netvm = net_uplink(m, vm);

	return netvm && !netvm->job ? netvm->domid : -1;
}

/* What a netvm warned of is of interest to its clients too. */
static void warn(struct job *j)
{
	const char *own = pci_warning(j->d, j->vm, j->arena);

	if (own)
		fprintf(stderr, "qubesd: warning: %s\n", own);
	j->warning = own ? own : j->warning;
}

static void job_end(struct job *j)
{
	struct vm *vm = j->vm;

	vm->job = NULL;
	if (j->starting) {
		vm->power = POWER_RUNNING;
		vm->start_time = time(NULL);
		fprintf(stderr, "qubesd: %s: started (%s)\n", vm->name,
			j->timing.p ? j->timing.p : "");
		warn(j);
		event_send(j->d, vm, "domain-start", "start_guid", "True", NULL);
	} else {
		vm->power = POWER_HALTED;
		vm->domid = -1;
		vm->start_time = 0;
		if (j->failure) {
			fprintf(stderr, "qubesd: %s: start failed: %s\n", vm->name, j->failure);
			event_send(j->d, vm, "domain-start-failed", "reason", j->failure, NULL);
		} else {
			fprintf(stderr, "qubesd: %s: stopped\n", vm->name);
			event_send(j->d, vm, "domain-shutdown", NULL);
		}
	}
	if (!j->starting) {
		block_stopped(j->d, vm);
		sync_stopped(j->d, vm);
	} else {
		sync_started(j->d, vm);
	}
	/* The netvm may have been changed, started anew or stopped meanwhile. */
	if (j->starting && j->nic_backend != job_net_backend(j->d->model, vm))
		sync_network(j->d, vm, NULL);
	answer_waiting(j);
	if (!j->starting) {
		lifecycle_halted(vm);
		dispvm_sweep(j->d);
	}
	job_free(j);
}

/* From a start to the steps that undo it. */
static void job_undo(struct job *j)
{
	if (!j->failure)
		j->failure = arena_printf(j->arena, "%s: %s%s%s",
					  j->err.object ? j->err.object : j->vm->name,
					  j->err.cause ? j->err.cause : "failed", j->err.remedy ? "; " : "",
					  j->err.remedy ? j->err.remedy : "");
	j->starting = false;
	j->step = stop_steps;
}

static int on_deferred(sd_event_source *s, void *user)
{
	sd_event_source_unref(s);
	job_run(user);
	return 0;
}

/* From the event loop: a job that failed at once would otherwise answer one that is in the middle
 * of a step. */
static void job_defer(struct job *j)
{
	if (sd_event_add_defer(j->d->event, &(sd_event_source *){NULL}, on_deferred, j) < 0)
		job_run(j);
}

enum { DESTROY_RETRY = 3 }; /* seconds */

static int on_again(sd_event_source *s, uint64_t usec, void *user)
{
	struct job *j = user;

	(void)s;
	(void)usec;
	j->again = sd_event_source_disable_unref(j->again);
	job_run(j);
	return 0;
}

/*
 * A domain that cannot be ended goes on using what the later steps would take away: they wait until it can. Who waits is
 * told. False: the failed step was another one.
 */
static bool stuck(struct job *j)
{
	if (j->starting || j->step != stop_steps ||
	    sd_event_add_time_relative(j->d->event, &j->again, CLOCK_MONOTONIC, DESTROY_RETRY * UINT64_C(1000000), 0,
				       on_again, j) < 0)
		return false;
	j->vm->power = POWER_DYING;
	lifecycle_not_halted(j->vm, j->err.cause ? j->err.cause : "its domain cannot be ended");
	answer_waiting(j);
	return true;
}

/* Remains of a start that are told of only now, behind the step that would have ended them: all over again. */
static bool came_late(struct job *j)
{
	if (j->starting || j->vm->domid >= 0 || j->made < 0)
		return false;
	j->vm->domid = j->made;
	j->step = stop_steps;
	return true;
}

void job_run(struct job *j)
{
	while (j->step->name || came_late(j)) {
		enum step_result r;

		error_free(&j->err);
		j->began = now_ms();
		r = j->step->run(j);
		if (r == STEP_LATER)
			return;
		if (r == STEP_FAILED && j->starting) {
			job_undo(j);
			continue;
		}
		if (r == STEP_FAILED)
			error_print("qubesd", &j->err);
		if (r == STEP_FAILED && stuck(j))
			return;
		j->step++;
	}
	job_end(j);
}

void job_step_done(struct job *j, int r)
{
	j->child = NULL;
	if (j->starting)
		strbuf_printf(&j->timing, "%s%s %lld ms", j->timing.n ? ", " : "", j->step->name,
			      (long long)(now_ms() - j->began));
	if (j->starting && (r < 0 || j->failure)) {
		j->no_memory = r == -ENOMEM;
		job_undo(j);
	} else {
		if (r < 0)
			error_print("qubesd", &j->err);
		if (r < 0 && stuck(j))
			return;
		/* What stops a qube goes on: as much as can be put in order is. */
		j->step++;
	}
	job_run(j);
}

enum step_result job_child(struct job *j, const struct child_spec *spec, child_done_fn done)
{
	int r = child_start(j->d->event, spec, done, j, &j->child);

	if (r == 0)
		return STEP_LATER;
	error_errno(&j->err, r, spec->argv ? spec->argv[0] : j->vm->name, "cannot start");
	return STEP_FAILED;
}

static void stop_waiting(struct job *j)
{
	for (size_t i = 0; i < j->waits_for->n_waiting_jobs; i++)
		if (j->waits_for->waiting_jobs[i] == j)
			j->waits_for->waiting_jobs[i] = NULL;
	j->waits_for = NULL;
	job_step_done(j, error_set(&j->err, -ECANCELED, j->vm->name, NULL, "given up"));
}

void job_abort(struct job *j, const char *why)
{
	if (!j->starting || j->failure)
		return;
	j->failure = arena_printf(j->arena, "%s: %s", j->vm->name, why);
	if (j->waits_for)
		stop_waiting(j);
	else if (j->queued)
		job_step_cancelled(j);
	else if (j->child && j->d->building != j) /* a domain half made would stay behind */
		child_kill(j->child);
}

void job_stop(struct qubesd *d, struct vm *vm)
{
	if (vm->job) {
		job_abort(vm->job, "the qube stopped while it was being started");
		return;
	}
	vm->power = POWER_HALTING;
	event_send(d, vm, "domain-stopped", NULL);
	job_run(job_new(d, vm, false));
}

const char *job_prohibited(const struct vm *vm)
{
	const char *reason = kv_get(&vm->features, "prohibit-start");

	return reason && *reason ? reason : NULL;
}

struct job *job_begin(struct qubesd *d, struct vm *vm)
{
	struct job *j = job_new(d, vm, true);

	j->nic_backend = -1;
	vm->power = POWER_TRANSIENT;
	vm->used = true;
	event_send(d, vm, "domain-pre-start", "start_guid", "True", NULL);
	return j;
}

enum step_result job_start_first(struct job *j, struct vm *other)
{
	struct job *first = other->job;
	bool fresh = !first;

	if (fresh && (other->power == POWER_RUNNING || other->power == POWER_PAUSED ||
		      other->power == POWER_SUSPENDED))
		return STEP_DONE;
	if (first && !first->starting) {
		error_set(&j->err, -EBUSY, j->vm->name, NULL, "its netvm %s is being stopped",
			  other->name);
		return STEP_FAILED;
	}
	if (fresh && (other->changing || volume_importing(other))) {
		error_set(&j->err, -EBUSY, j->vm->name, NULL,
			  "a volume of its netvm %s is being changed", other->name);
		return STEP_FAILED;
	}
	if (fresh && job_prohibited(other)) {
		error_set(&j->err, -EPERM, j->vm->name, NULL, "its netvm %s may not start: %s",
			  other->name, job_prohibited(other));
		return STEP_FAILED;
	}
	if (fresh)
		first = job_begin(j->d, other);
	first->waiting_jobs = xreallocarray(first->waiting_jobs, first->n_waiting_jobs + 1,
					    sizeof(struct job *));
	first->waiting_jobs[first->n_waiting_jobs++] = j;
	j->waits_for = first;
	if (fresh)
		job_defer(first);
	return STEP_LATER;
}
