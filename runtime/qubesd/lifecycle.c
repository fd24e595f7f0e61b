#include "runtime/qubesd/lifecycle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/alloc.h"
#include "runtime/qubesd/block.h"
#include "runtime/qubesd/dispvm.h"
#include "runtime/qubesd/hypervisor.h"
#include "runtime/qubesd/job.h"
#include "runtime/qubesd/pci.h"
#include "runtime/qubesd/property_net.h"
#include "runtime/qubesd/sync.h"

/* A call that is answered when its qube is down. */
struct halt_wait {
	struct call *call;
	sd_event_source *timer;
	struct halt_wait *next;
};

static struct halt_wait *halt_waits;

static uint64_t now_usec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void halt_wait_end(struct halt_wait **at)
{
	struct halt_wait *w = *at;

	*at = w->next;
	sd_event_source_disable_unref(w->timer);
	call_finish(w->call);
	free(w);
}

static void halted(struct vm *vm)
{
	for (struct halt_wait **at = &halt_waits; *at;) {
		if ((*at)->call->target == vm)
			halt_wait_end(at);
		else
			at = &(*at)->next;
	}
}

static int on_halt_timeout(sd_event_source *s, uint64_t usec, void *user)
{
	(void)s;
	(void)usec;
	for (struct halt_wait **at = &halt_waits; *at; at = &(*at)->next) {
		if (*at != user)
			continue;
		event_send((*at)->call->d, (*at)->call->target, "domain-shutdown-failed", "reason",
			   "timeout", NULL);
		call_raise((*at)->call, "QubesVMShutdownTimeoutError",
			   "Domain shutdown timed out: '%s'", (*at)->call->target->name);
		halt_wait_end(at);
		break;
	}
	return 0;
}

static enum call_result wait_for_halt(struct call *c, unsigned timeout)
{
	struct halt_wait *w = xcalloc(1, sizeof(*w));

	*w = (struct halt_wait){.call = c, .next = halt_waits};
	halt_waits = w;
	if (timeout)
		sd_event_add_time_relative(c->d->event, &w->timer, CLOCK_MONOTONIC,
					   timeout * UINT64_C(1000000), 0, on_halt_timeout, w);
	return CALL_LATER;
}

static struct job *job_new(struct qubesd *d, struct vm *vm, bool starting)
{
	struct job *j = xcalloc(1, sizeof(*j));

	*j = (struct job){
		.d = d,
		.vm = vm,
		.arena = arena_new(),
		.starting = starting,
		.step = starting ? start_steps : stop_steps,
		.began = now_usec(),
	};
	vm->job = j;
	return j;
}

static void job_free(struct job *j)
{
	error_free(&j->err);
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
}

int net_backend(const struct model *m, const struct vm *vm)
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
	if (j->starting && j->nic_backend != net_backend(j->d->model, vm))
		sync_network(j->d, vm, NULL);
	answer_waiting(j);
	if (!j->starting) {
		halted(vm);
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

static void job_run(struct job *j);

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

static void job_run(struct job *j)
{
	while (j->step->name) {
		enum step_result r;

		error_free(&j->err);
		j->began = now_usec();
		r = j->step->run(j);
		if (r == STEP_LATER)
			return;
		if (r == STEP_FAILED && j->starting) {
			job_undo(j);
			continue;
		}
		if (r == STEP_FAILED)
			error_print("qubesd", &j->err);
		j->step++;
	}
	job_end(j);
}

void job_step_done(struct job *j, int r)
{
	j->child = NULL;
	if (j->starting)
		strbuf_printf(&j->timing, "%s%s %llu ms", j->timing.n ? ", " : "", j->step->name,
			      (unsigned long long)(now_usec() - j->began) / 1000);
	if (j->starting && (r < 0 || j->failure)) {
		j->no_memory = r == -ENOMEM;
		job_undo(j);
	} else {
		/* What stops a qube goes on: as much as can be put in order is. */
		if (r < 0)
			error_print("qubesd", &j->err);
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

/* A start that is under way is given up; it answers its calls with this reason. */
static void job_abort(struct job *j, const char *why)
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

static void stop(struct qubesd *d, struct vm *vm)
{
	if (vm->job) {
		job_abort(vm->job, "the qube stopped while it was being started");
		return;
	}
	vm->power = POWER_HALTING;
	event_send(d, vm, "domain-stopped", NULL);
	job_run(job_new(d, vm, false));
}

static const char *prohibited(const struct vm *vm)
{
	const char *reason = kv_get(&vm->features, "prohibit-start");

	return reason && *reason ? reason : NULL;
}

/* The start of a halted qube, not yet running: the caller adds who waits for it, then runs it. */
static struct job *job_begin(struct qubesd *d, struct vm *vm)
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
	if (fresh && other->changing) {
		error_set(&j->err, -EBUSY, j->vm->name, NULL,
			  "a volume of its netvm %s is being changed", other->name);
		return STEP_FAILED;
	}
	if (fresh && prohibited(other)) {
		error_set(&j->err, -EPERM, j->vm->name, NULL, "its netvm %s may not start: %s",
			  other->name, prohibited(other));
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

static enum call_result start_now(struct call *c)
{
	struct vm *vm = c->target;
	struct job *j = vm->job;
	bool fresh = !j;

	if (prohibited(vm))
		return call_raise(c, "QubesException", "Qube '%s' may not start: %s", vm->name,
				  prohibited(vm));
	if (vm->changing)
		return call_raise(c, "QubesVMInUseError", "A volume of '%s' is being changed",
				  vm->name);
	if (!j && (vm->power == POWER_RUNNING || vm->power == POWER_PAUSED ||
		   vm->power == POWER_SUSPENDED))
		return CALL_DONE;
	if (j && !j->starting)
		return call_raise(c, "QubesVMNotHaltedError", "Domain is not powered off: '%s'",
				  vm->name);
	if (fresh)
		j = job_begin(c->d, vm);
	j->waiting = xreallocarray(j->waiting, j->n_waiting + 1, sizeof(struct call *));
	j->waiting[j->n_waiting++] = c;
	if (fresh)
		job_run(j);
	return CALL_LATER;
}

/* Until the domains are known, neither is what runs already, nor what kind of domain the machine can have. */
enum call_result lifecycle_start(struct call *c)
{
	struct qubesd *d = c->d;

	if (c->request.argument.n && !blob_eq_str(c->request.argument, "timing") &&
	    !blob_eq_str(c->request.argument, "warning"))
		return CALL_ABORT;
	if (d->offline)
		return call_raise(c, "QubesOfflineError", "%s: there is no hypervisor here, it can start at first boot",
				  c->target->name);
	if (d->domains_known)
		return start_now(c);
	d->early = xreallocarray(d->early, d->n_early + 1, sizeof(*d->early));
	d->early[d->n_early++] = c;
	return CALL_LATER;
}

static bool is_there(const struct model *m, const struct vm *vm)
{
	for (size_t i = 0; i < m->n_vms; i++)
		if (m->vms[i] == vm)
			return true;
	return false;
}

void lifecycle_start_early(struct qubesd *d)
{
	_cleanup_free_ struct call **calls = d->early;
	size_t n = d->n_early;

	d->early = NULL;
	d->n_early = 0;
	for (size_t i = 0; i < n; i++) {
		enum call_result r = is_there(d->model, calls[i]->target)
					     ? start_now(calls[i])
					     : call_raise(calls[i], "QubesVMNotFoundError", "The qube was removed");

		if (r != CALL_LATER)
			call_finish(calls[i]);
	}
}

/* Raises for a qube that does not run; offline none does. */
static bool running(struct call *c)
{
	if (!vm_has_domain(c->target) || c->target->class == CLASS_ADMIN)
		call_raise(c, "QubesVMNotStartedError", "Domain is powered off: '%s'",
			   c->target->name);
	return !c->exception;
}

enum call_result lifecycle_kill(struct call *c)
{
	struct vm *vm = c->target;

	if (!running(c))
		return CALL_DONE;
	wait_for_halt(c, 0);
	if (vm->job)
		job_abort(vm->job, "the qube was killed");
	else
		stop(c->d, vm);
	return CALL_LATER;
}

static const char *operation_failed(struct call *c, int status, const char *out)
{
	const char *cause = NULL;

	if (!hypervisor_answer(c->arena, status, out, &cause)) {
		call_raise(c, "QubesVMError", "%s: %s", c->target->name, cause);
		return cause;
	}
	return NULL;
}

static void on_shutdown_sent(void *user, int status, const char *out)
{
	struct call *c = user;

	operation_failed(c, status, out);
	call_finish(c);
}

static void on_shutdown_sent_wait(void *user, int status, const char *out)
{
	struct call *c = user;
	struct property_ctx ctx = {c->d->model, c->target, c->arena};

	if (c->target->power == POWER_HALTED) /* faster than the answer */
		call_finish(c);
	else if (operation_failed(c, status, out))
		call_finish(c);
	else
		wait_for_halt(c, (unsigned)atoi(property_value(&ctx, "shutdown_timeout")));
}

/* Clients lose their network with it. */
static bool has_clients(struct call *c)
{
	_cleanup_strbuf_ struct strbuf names = {0};

	for (size_t i = 0; i < c->d->model->n_vms; i++) {
		const struct vm *vm = c->d->model->vms[i];

		if (vm->class != CLASS_ADMIN && vm->power != POWER_HALTED &&
		    net_uplink(c->d->model, vm) == c->target)
			strbuf_printf(&names, "%s%s", names.n ? ", " : "", vm->name);
	}
	if (names.n)
		call_raise(c, "QubesVMInUseError",
			   "There are other VMs connected to this VM: %s", names.p);
	return names.n;
}

enum call_result lifecycle_shutdown(struct call *c, bool force, bool wait)
{
	int r;

	if (!running(c) || (!force && has_clients(c)))
		return CALL_DONE;
	if (c->target->job)
		return call_raise(c, "QubesVMNotRunningError",
				  "Domain is being started or stopped: '%s'", c->target->name);
	event_send(c->d, c->target, "domain-pre-shutdown", "force", force ? "True" : "False",
		   NULL);
	r = hypervisor_run(c->d, "shutdown", c->target->domid, (struct blob){0},
			   wait ? on_shutdown_sent_wait : on_shutdown_sent, c, NULL);
	if (r < 0)
		return call_raise(c, "QubesVMError", "%s: %s", c->target->name, strerror(-r));
	return CALL_LATER;
}

struct stillness {
	enum vm_power to;
	const char *event;
};

static void on_paused(void *user, int status, const char *out)
{
	struct call *c = user;
	const struct stillness *s = c->extra;

	if (!operation_failed(c, status, out) && !c->target->job && vm_has_domain(c->target)) {
		c->target->power = s->to;
		event_send(c->d, c->target, s->event, NULL);
	}
	call_finish(c);
}

static enum call_result change_power(struct call *c, const char *op, enum vm_power to,
				     const char *event)
{
	struct stillness *s = arena_alloc(c->arena, sizeof(*s));
	int r;

	*s = (struct stillness){to, event};
	c->extra = s;
	r = hypervisor_run(c->d, op, c->target->domid, (struct blob){0}, on_paused, c, NULL);
	if (r < 0)
		return call_raise(c, "QubesVMError", "%s: %s", c->target->name, strerror(-r));
	return CALL_LATER;
}

enum call_result lifecycle_pause(struct call *c, bool pause)
{
	if (!running(c))
		return CALL_DONE;
	if (!pause && c->target->power != POWER_PAUSED)
		return call_raise(c, "QubesVMNotPausedError", "Domain is not paused: '%s'",
				  c->target->name);
	if (pause && c->target->power != POWER_RUNNING)
		return call_raise(c, "QubesVMNotRunningError", "Domain is not running: '%s'",
				  c->target->name);
	event_send(c->d, c->target, pause ? "domain-pre-paused" : "domain-pre-unpaused", NULL);
	return pause ? change_power(c, "pause", POWER_PAUSED, "domain-paused")
		     : change_power(c, "unpause", POWER_RUNNING, "domain-unpaused");
}

enum call_result lifecycle_suspend(struct call *c, bool suspend)
{
	if (!running(c))
		return CALL_DONE;
	if (!suspend && c->target->power != POWER_SUSPENDED)
		return call_raise(c, "QubesVMNotSuspendedError", "Domain is not suspended: '%s'",
				  c->target->name);
	if (suspend && c->target->power != POWER_RUNNING)
		return call_raise(c, "QubesVMNotRunningError", "Domain is not running: '%s'",
				  c->target->name);
	return suspend ? change_power(c, "pause", POWER_SUSPENDED, "domain-paused")
		       : change_power(c, "unpause", POWER_RUNNING, "domain-resumed");
}

/* `mem=N maxmem=N cputime=N` from the helper; 0 for what it does not say. */
static uint64_t info_value(const char *info, const char *key)
{
	struct blob rest = blob_of(info), word;
	uint64_t n = 0;

	while (blob_word(&rest, &word))
		if (blob_has_prefix(word, key) && word.n > strlen(key) &&
		    word.p[strlen(key)] == '=')
			blob_to_u64(
				(struct blob){word.p + strlen(key) + 1, word.n - strlen(key) - 1},
				INT64_MAX, &n);
	return n;
}

static void on_info(void *user, int status, const char *out)
{
	struct call *c = user;
	const char *cause, *info = hypervisor_answer(c->arena, status, out, &cause);

	/* Not there any more: as good as nothing used. */
	info = info ? info : "";
	strbuf_printf(&c->out, "mem=%llu mem_static_max=%llu cputime=%llu power_state=%s",
		      (unsigned long long)info_value(info, "mem"),
		      (unsigned long long)info_value(info, "maxmem"),
		      (unsigned long long)info_value(info, "cputime"),
		      vm_power_name(c->target->power));
	call_finish(c);
}

enum call_result lifecycle_state(struct call *c)
{
	if (!c->d->offline && c->target->domid >= 0 &&
	    hypervisor_run(c->d, "info", c->target->domid, (struct blob){0}, on_info, c, NULL) == 0)
		return CALL_LATER;
	strbuf_printf(&c->out, "mem=0 mem_static_max=0 cputime=0 power_state=%s",
		      vm_power_name(c->target->power));
	return CALL_DONE;
}

static struct vm *find_domid(const struct qubesd *d, int domid)
{
	for (size_t i = 0; i < d->model->n_vms; i++)
		if (d->model->vms[i]->domid == domid)
			return d->model->vms[i];
	return NULL;
}

/* Its network as it should be now, which may have changed while nobody looked after it. */
static void adopted(struct qubesd *d, struct vm *vm)
{
	vm->adopted = false;
	sync_network(d, vm, NULL);
}

/* A qube that an earlier qubesd started is taken over as it is, unless that was not through with it. */
static bool adopt(struct qubesd *d, struct vm *vm, int domid)
{
	vm->domid = domid;
	vm->start_time = time(NULL);
	vm->power = POWER_RUNNING;
	if (job_was_interrupted(d, vm)) {
		fprintf(stderr, "qubesd: %s: its start was interrupted, domain %d is ended\n", vm->name, domid);
		event_send(d, vm, "domain-start-failed", "reason", "qubesd ended while it was being started", NULL);
		stop(d, vm);
		return false;
	}
	fprintf(stderr, "qubesd: %s: runs as domain %d\n", vm->name, domid);
	block_load(d, vm);
	/* Its netvm may come later in the list. */
	vm->adopted = true;
	if (d->domains_known)
		adopted(d, vm);
	return true;
}

void lifecycle_domain_seen(struct qubesd *d, int domid, struct blob uuid, struct blob state)
{
	char text[VM_UUID_LEN + 1] = "";
	bool ended = blob_eq_str(state, "shutdown") || blob_eq_str(state, "crashed");
	struct vm *vm;

	if (uuid.n == VM_UUID_LEN)
		memcpy(text, uuid.p, VM_UUID_LEN);
	vm = model_find_uuid(d->model, text);
	if (!vm || vm->class == CLASS_ADMIN || blob_eq_str(state, "dying"))
		return;
	vm->seen = true;
	if (vm->job) {
		if (ended && vm->domid == domid)
			stop(d, vm);
		return;
	}
	if (vm->power == POWER_HALTED && !adopt(d, vm, domid))
		return;
	if (vm->domid != domid)
		return;
	if (ended)
		stop(d, vm);
	else if (!blob_eq_str(state, "paused"))
		vm->power = POWER_RUNNING;
	else if (vm->power != POWER_SUSPENDED)
		vm->power = POWER_PAUSED;
}

void lifecycle_domain_gone(struct qubesd *d, int domid)
{
	struct vm *vm = find_domid(d, domid);

	if (vm && vm->class != CLASS_ADMIN && (!vm->job || vm->job->starting))
		stop(d, vm);
}

void lifecycle_domains_listed(struct qubesd *d)
{
	for (size_t i = 0; i < d->model->n_vms; i++) {
		struct vm *vm = d->model->vms[i];

		if (vm->class != CLASS_ADMIN && vm->domid >= 0 && !vm->seen && !vm->job)
			stop(d, vm);
		vm->seen = false;
	}
	d->domains_known = true;
	for (size_t i = 0; i < d->model->n_vms; i++)
		if (d->model->vms[i]->adopted)
			adopted(d, d->model->vms[i]);
	dispvm_sweep(d);
	lifecycle_start_early(d);
}
