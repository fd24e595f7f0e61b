#include "runtime/qubesd/lifecycle.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "runtime/qubesd/hypervisor.h"
#include "runtime/qubesd/job.h"
#include "runtime/qubesd/property_net.h"
#include "runtime/qubesd/volume.h"

/* A call that is answered when its qube is down. */
struct halt_wait {
	struct call *call;
	sd_event_source *timer;
	struct halt_wait *next;
};

static struct halt_wait *halt_waits;

static void halt_wait_end(struct halt_wait **at)
{
	struct halt_wait *w = *at;

	*at = w->next;
	sd_event_source_disable_unref(w->timer);
	call_finish(w->call);
	free(w);
}

void lifecycle_halted(struct vm *vm)
{
	for (struct halt_wait **at = &halt_waits; *at;) {
		if ((*at)->call->target == vm)
			halt_wait_end(at);
		else
			at = &(*at)->next;
	}
}

void lifecycle_not_halted(struct vm *vm, const char *why)
{
	for (struct halt_wait *w = halt_waits; w; w = w->next)
		if (w->call->target == vm)
			call_raise(w->call, "QubesVMError", "%s: %s", vm->name, why);
	lifecycle_halted(vm);
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

static enum call_result start_now(struct call *c)
{
	struct vm *vm = c->target;
	struct job *j = vm->job;
	bool fresh = !j;

	if (job_prohibited(vm))
		return call_raise(c, "QubesException", "Qube '%s' may not start: %s", vm->name,
				  job_prohibited(vm));
	if (vm->changing || volume_importing(vm))
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

static enum call_result start_early(struct call *c, const char *refusal)
{
	if (!is_there(c->d->model, c->target))
		return call_raise(c, "QubesVMNotFoundError", "The qube was removed");
	if (refusal)
		return call_raise(c, "QubesVMError", "%s: it is not known yet whether it runs: %s", c->target->name, refusal);
	return start_now(c);
}

void lifecycle_start_early(struct qubesd *d, const char *refusal)
{
	_cleanup_free_ struct call **calls = d->early;
	size_t n = d->n_early;

	d->early = NULL;
	d->n_early = 0;
	for (size_t i = 0; i < n; i++)
		if (start_early(calls[i], refusal) != CALL_LATER)
			call_finish(calls[i]);
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
		job_stop(c->d, vm);
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

/* Nothing in it could be asked to shut down yet. */
static enum call_result give_up_start(struct call *c, bool wait)
{
	if (wait)
		wait_for_halt(c, 0);
	job_abort(c->target->job, "the qube was shut down while it was being started");
	return wait ? CALL_LATER : CALL_DONE;
}

enum call_result lifecycle_shutdown(struct call *c, bool force, bool wait)
{
	const struct job *j = c->target->job;
	int r;

	if (!running(c) || (!force && has_clients(c)))
		return CALL_DONE;
	if (j && !j->starting)
		return call_raise(c, "QubesVMNotRunningError", "Domain is being stopped: '%s'", c->target->name);
	if (j && !j->ran)
		return give_up_start(c, wait);
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
