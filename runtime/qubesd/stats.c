#include "runtime/qubesd/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/alloc.h"
#include "runtime/qubesd/hypervisor.h"
#include "runtime/qubesd/property.h"
#include "runtime/qubesd/server.h"
#include "runtime/qubesd/xl/protocol.h"

/* One line of the helper: `stat DOMID MEM_KIB CPU_NS VCPUS`. */
struct sample {
	uint64_t domid, memory, cpu, vcpus;
};

/* One for the whole daemon, as is its event loop. */
static sd_event_source *timer;
static uint64_t last_cpu[32752], last_at; /* by domain; CLOCK_MONOTONIC nanoseconds */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static bool parse(struct blob line, struct sample *s)
{
	struct blob word;
	uint64_t *const fields[] = {&s->domid, &s->memory, &s->cpu, &s->vcpus};

	if (!blob_word(&line, &word) || !blob_eq_str(word, XL_STAT))
		return false;
	for (size_t i = 0; i < 4; i++)
		if (!blob_word(&line, &word) || !blob_to_u64(word, INT64_MAX, fields[i]))
			return false;
	return s->domid < sizeof(last_cpu) / sizeof(*last_cpu);
}

static const struct vm *owner(const struct qubesd *d, const struct sample *s)
{
	for (size_t i = 0; i < d->model->n_vms; i++)
		if (d->model->vms[i]->domid == (int)s->domid)
			return d->model->vms[i];
	return NULL;
}

static void send_one(struct qubesd *d, const struct sample *s, uint64_t elapsed)
{
	_cleanup_arena_ struct arena *a = arena_new();
	const struct vm *vm = owner(d, s);
	uint64_t used = s->cpu > last_cpu[s->domid] ? s->cpu - last_cpu[s->domid] : 0;
	unsigned long long percent = elapsed && last_cpu[s->domid] ? used * 100 / elapsed : 0;

	last_cpu[s->domid] = s->cpu;
	if (!vm)
		return;
	server_send_stats(
		d, vm, arena_printf(a, "%llu", (unsigned long long)s->memory),
		arena_printf(a, "%llu", (unsigned long long)(s->cpu / 1000000)),
		arena_printf(a, "%llu", s->vcpus ? percent / (unsigned long long)s->vcpus : percent),
		arena_printf(a, "%llu", (unsigned long long)s->vcpus));
}

static void wait_next(struct qubesd *d);

static void on_stats(void *user, int status, const char *out)
{
	struct qubesd *d = user;
	struct blob rest = blob_of(status == 0 ? out : ""), line;
	uint64_t now = now_ns();
	struct sample s;

	while (blob_token(&rest, '\n', &line))
		if (parse(line, &s))
			send_one(d, &s, last_at ? now - last_at : 0);
	last_at = now;
	wait_next(d);
}

static int on_time(sd_event_source *source, uint64_t usec, void *user)
{
	struct qubesd *d = user;

	(void)source;
	(void)usec;
	timer = sd_event_source_disable_unref(timer);
	if (!server_has_stats(d))
		return 0;
	if (d->offline || hypervisor_run(d, "stats", -1, (struct blob){0}, on_stats, d, NULL) < 0)
		wait_next(d);
	return 0;
}

static void wait_next(struct qubesd *d)
{
	_cleanup_arena_ struct arena *a = arena_new();
	struct property_ctx global = {d->model, NULL, a};
	long seconds = atol(property_value(&global, "stats_interval"));

	if (!timer)
		sd_event_add_time_relative(d->event, &timer, CLOCK_MONOTONIC,
					   (uint64_t)(seconds > 0 ? seconds : 1) * 1000000, 0,
					   on_time, d);
}

void stats_begin(struct qubesd *d)
{
	if (!timer)
		sd_event_add_time_relative(d->event, &timer, CLOCK_MONOTONIC, 0, 0, on_time, d);
}
