#include "runtime/qubesd/domains.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "runtime/qubesd/block.h"
#include "runtime/qubesd/dispvm.h"
#include "runtime/qubesd/job.h"
#include "runtime/qubesd/lifecycle.h"
#include "runtime/qubesd/sync.h"

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
		job_stop(d, vm);
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

void domains_seen(struct qubesd *d, int domid, struct blob uuid, struct blob state)
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
		vm->job->made = domid;
		if (ended && vm->domid == domid)
			job_stop(d, vm);
		return;
	}
	if (vm->power == POWER_HALTED && !adopt(d, vm, domid))
		return;
	if (vm->domid != domid)
		return;
	if (ended)
		job_stop(d, vm);
	else if (!blob_eq_str(state, "paused"))
		vm->power = POWER_RUNNING;
	else if (vm->power != POWER_SUSPENDED)
		vm->power = POWER_PAUSED;
}

void domains_gone(struct qubesd *d, int domid)
{
	struct vm *vm = find_domid(d, domid);

	if (vm && vm->class != CLASS_ADMIN && (!vm->job || vm->job->starting))
		job_stop(d, vm);
}

void domains_listed(struct qubesd *d)
{
	for (size_t i = 0; i < d->model->n_vms; i++) {
		struct vm *vm = d->model->vms[i];

		if (vm->class != CLASS_ADMIN && vm->domid >= 0 && !vm->seen && !vm->job)
			job_stop(d, vm);
		vm->seen = false;
	}
	d->domains_known = true;
	d->model->unheard = false;
	qubesd_ready();
	for (size_t i = 0; i < d->model->n_vms; i++)
		if (d->model->vms[i]->adopted)
			adopted(d, d->model->vms[i]);
	block_listed(d);
	dispvm_sweep(d);
	lifecycle_start_early(d, NULL);
}
