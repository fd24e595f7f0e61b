#include "runtime/qubesd/sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/alloc.h"
#include "runtime/qubesd/child.h"
#include "runtime/qubesd/dispvm.h"
#include "runtime/qubesd/firewall.h"
#include "runtime/qubesd/hypervisor.h"
#include "runtime/qubesd/keys.h"
#include "runtime/qubesd/property_net.h"
#include "runtime/qubesd/storage.h"

enum { WRITE_TIMEOUT = 20 }; /* seconds; only dom0's own daemons take part */

static const char vif_script[] = "/etc/xen/scripts/vif-route-qubes";

enum item_kind {
	ITEM_NETWORK,	/* a client's own keys and what its netvm is told */
	ITEM_CLIENT,	/* only what its netvm is told */
	ITEM_CONNECTED, /* a netvm's list of clients */
	ITEM_KEY,
};

struct item {
	enum item_kind kind;
	struct qubesd *d;
	struct vm *vm; /* NULL: gone meanwhile */
	char *path, *value;
	sync_done_fn done;
	void *user;
	struct arena *arena; /* while its child runs */
	struct item *next;
};

/* The first is the one that is being written. */
static struct item *queue;

/* A change of a qube's interface: one at a time, and again if something changed meanwhile. */
struct vif {
	struct qubesd *d;
	bool again;
	struct call **calls;
	size_t n_calls;
};

static bool runs(const struct vm *vm)
{
	return vm && vm->domid > 0 && !vm->job &&
	       (vm->power == POWER_RUNNING || vm->power == POWER_PAUSED ||
		vm->power == POWER_SUSPENDED);
}

static void queue_run(void);

/* One timer serves all: whenever rules are written, the next expiry is looked at. */
static sd_event_source *expiry;
static long long expiry_at;

static int on_expiry(sd_event_source *s, uint64_t usec, void *user)
{
	struct qubesd *d = user;

	(void)s;
	(void)usec;
	expiry = sd_event_source_disable_unref(expiry);
	for (size_t i = 0; i < d->model->n_vms; i++)
		if (runs(d->model->vms[i]))
			sync_client(d, d->model->vms[i], NULL, NULL);
	return 0;
}

static void watch_expiry(struct qubesd *d, const struct firewall *f)
{
	long long now = time(NULL), next = firewall_next_expiry(f, now);

	if (!next || (expiry && expiry_at <= next))
		return;
	expiry = sd_event_source_disable_unref(expiry);
	expiry_at = next;
	sd_event_add_time_relative(d->event, &expiry, CLOCK_BOOTTIME,
				   (uint64_t)(next - now + 1) * 1000000, 0, on_expiry, d);
}

static void collect_client(struct item *it, struct keys *k)
{
	struct vm *netvm = net_uplink(it->d->model, it->vm);
	const char *dir = storage_dir(it->d->model, it->vm, it->d->root, it->arena);
	_cleanup_error_ struct error err = {0};
	struct firewall f = {0};

	if (!runs(netvm))
		return;
	/* A file that cannot be read blocks everything rather than nothing. */
	if (firewall_load(arena_printf(it->arena, "%s/firewall.xml", dir), it->arena, &f, &err) < 0)
		error_print("qubesd", &err);
	keys_add_client(k, it->d, netvm, it->vm, &f);
	keys_add_connected(k, it->d, netvm, it->vm);
	watch_expiry(it->d, &f);
}

static struct keys *collect(struct item *it)
{
	struct keys *k = keys_new(it->d, it->arena);

	switch (it->kind) {
	case ITEM_NETWORK:
		collect_client(it, k);
		if (runs(it->vm))
			keys_add_network(k, it->d, it->vm);
		break;
	case ITEM_CLIENT:
		collect_client(it, k);
		break;
	case ITEM_CONNECTED:
		if (runs(it->vm))
			keys_add_connected(k, it->d, it->vm, NULL);
		break;
	case ITEM_KEY:
		if (runs(it->vm))
			keys_add(k, it->vm, it->path, it->value);
		break;
	}
	return k;
}

static void item_end(struct item *it, const char *failure)
{
	queue = it->next;
	if (failure && it->vm)
		fprintf(stderr, "qubesd: %s: %s\n", it->vm->name, failure);
	if (it->done && it->vm)
		it->done(it->user, failure);
	arena_free(it->arena);
	free(it->path);
	free(it->value);
	free(it);
	queue_run();
}

static void on_written(void *user, int status, const char *out)
{
	struct item *it = user;

	item_end(it, status == 0 ? NULL : *out ? out : "its QubesDB does not answer");
}

/* Starts on the first of the queue unless that is done already. */
static void queue_run(void)
{
	struct item *it = queue;

	if (!it || it->arena)
		return;
	it->arena = arena_new();
	if (!it->vm) {
		item_end(it, NULL);
		return;
	}
	if (child_start(it->d->event,
			&(struct child_spec){.work = keys_write,
					     .arg = collect(it),
					     .timeout = WRITE_TIMEOUT},
			on_written, it, NULL) < 0)
		item_end(it, "cannot start a process to write QubesDB");
}

static int on_queue(sd_event_source *s, void *user)
{
	(void)user;
	sd_event_source_unref(s);
	queue_run();
	return 0;
}

/* Never at once: the caller is in the middle of a change. */
static struct item *push(struct qubesd *d, struct vm *vm, enum item_kind kind)
{
	struct item **at = &queue, *it = xcalloc(1, sizeof(*it));

	*it = (struct item){.kind = kind, .d = d, .vm = vm};
	while (*at)
		at = &(*at)->next;
	*at = it;
	if (queue == it)
		sd_event_add_defer(d->event, &(sd_event_source *){NULL}, on_queue, NULL);
	return it;
}

void sync_client(struct qubesd *d, struct vm *vm, sync_done_fn done, void *user)
{
	struct item *it = push(d, vm, ITEM_CLIENT);

	it->done = done;
	it->user = user;
}

void sync_connected(struct qubesd *d, struct vm *netvm)
{
	if (runs(netvm))
		push(d, netvm, ITEM_CONNECTED);
}

void sync_key(struct qubesd *d, struct vm *vm, const char *path, const char *value)
{
	struct item *it;

	if (!runs(vm))
		return;
	it = push(d, vm, ITEM_KEY);
	it->path = xstrdup(path);
	it->value = value ? xstrdup(value) : NULL;
}

const char *sync_nic_line(const struct qubesd *d, const struct vm *vm, struct arena *a)
{
	struct property_ctx ctx = {d->model, vm, a};
	const struct vm *netvm = net_uplink(d->model, vm);
	const char *ip6 = property_value(&ctx, "ip6");

	if (!runs(netvm))
		return "";
	return arena_printf(a, "nic=%s %d %s %s%s%s\n", property_value(&ctx, "mac"), netvm->domid,
			    vif_script, property_value(&ctx, "ip"), *ip6 ? " " : "", ip6);
}

static void vif_write(struct vm *vm);

static void vif_end(struct vm *vm, const char *failure)
{
	struct vif *v = vm->vif;

	vm->vif = NULL;
	for (size_t i = 0; i < v->n_calls; i++) {
		if (failure)
			call_raise(v->calls[i], "QubesVMError", "%s: %s", vm->name, failure);
		call_finish(v->calls[i]);
	}
	free(v->calls);
	dispvm_sweep(v->d);
	free(v);
}

static void on_vif(void *user, int status, const char *out)
{
	struct vm *vm = user;
	_cleanup_arena_ struct arena *a = arena_new();
	const char *cause = NULL;
	const struct vm *netvm;

	if (vm->vif->again) {
		vif_write(vm);
		return;
	}
	if (!hypervisor_answer(a, status, out, &cause)) {
		cause = arena_printf(a, "the network interface could not be changed: %s", cause);
		fprintf(stderr, "qubesd: %s: %s\n", vm->name, cause);
		vif_end(vm, cause);
		return;
	}
	netvm = net_uplink(vm->vif->d->model, vm);
	if (runs(netvm))
		event_send(vm->vif->d, netvm, "net-domain-connect", "vm", vm->name, NULL);
	vif_end(vm, NULL);
}

static void vif_change(void *user, const char *failure)
{
	struct vm *vm = user;
	struct vif *v = vm->vif;
	_cleanup_arena_ struct arena *a = arena_new();

	if (v->again) {
		vif_write(vm);
		return;
	}
	if (failure || !runs(vm)) {
		vif_end(vm, failure);
		return;
	}
	if (hypervisor_run(v->d, "network", vm->domid, blob_of(sync_nic_line(v->d, vm, a)), on_vif,
			   vm, NULL) < 0)
		vif_end(vm, "cannot start qubesd-xl");
}

/* The keys before the interface: that is what its set-up reads. */
static void vif_write(struct vm *vm)
{
	struct item *it = push(vm->vif->d, vm, ITEM_NETWORK);

	vm->vif->again = false;
	it->done = vif_change;
	it->user = vm;
}

enum call_result sync_network(struct qubesd *d, struct vm *vm, struct call *c)
{
	bool fresh = !vm->vif;

	if (d->offline || !runs(vm))
		return CALL_DONE;
	if (fresh) {
		vm->vif = xcalloc(1, sizeof(*vm->vif));
		vm->vif->d = d;
	}
	if (c) {
		vm->vif->calls = xreallocarray(vm->vif->calls, vm->vif->n_calls + 1,
					       sizeof(*vm->vif->calls));
		vm->vif->calls[vm->vif->n_calls++] = c;
	}
	if (fresh)
		vif_write(vm);
	else
		vm->vif->again = true;
	return CALL_LATER;
}

static void sync_clients(struct qubesd *d, const struct vm *netvm)
{
	for (size_t i = 0; i < d->model->n_vms; i++) {
		struct vm *vm = d->model->vms[i];

		if (runs(vm) && net_uplink(d->model, vm) == netvm)
			sync_network(d, vm, NULL);
	}
}

void sync_started(struct qubesd *d, struct vm *vm)
{
	if (net_provides(d->model, vm))
		sync_clients(d, vm);
}

void sync_stopped(struct qubesd *d, struct vm *vm)
{
	struct vm *netvm = net_uplink(d->model, vm);

	sync_connected(d, netvm);
	if (net_provides(d->model, vm))
		sync_clients(d, vm);
}

void sync_all_networks(struct qubesd *d)
{
	for (size_t i = 0; i < d->model->n_vms; i++) {
		struct vm *vm = d->model->vms[i];

		if (!runs(vm))
			continue;
		sync_network(d, vm, NULL);
		if (net_provides(d->model, vm))
			sync_connected(d, vm);
	}
}

void sync_close(struct qubesd *d)
{
	for (size_t i = 0; d->model && i < d->model->n_vms; i++) {
		struct vif *v = d->model->vms[i]->vif;

		if (v)
			free(v->calls);
		free(v);
		d->model->vms[i]->vif = NULL;
	}
}

void sync_forget(struct qubesd *d, struct vm *vm)
{
	(void)d;
	for (struct item *it = queue; it; it = it->next)
		if (it->vm == vm)
			it->vm = NULL;
}
