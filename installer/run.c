#include "installer/run.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mount.h>
#include <time.h>

#include "common/base/alloc.h"
#include "common/sys/process.h"
#include "common/ui/event.h"
#include "installer/target.h"

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

char *install_path(const struct install *in, const char *path)
{
	return xasprintf("%s/%s", in->plan->places.target, path);
}

void install_progress_total(struct install *in, uint64_t total)
{
	in->done = 0;
	in->total = total;
	in->shown_at = now_ms();
	in->shown_percent = 0;
}

void install_progress_add(struct install *in, uint64_t bytes)
{
	_cleanup_free_ char *done = NULL, *total = NULL;
	_cleanup_arena_ struct arena *a = NULL;
	uint64_t percent, now;

	in->done += bytes;
	percent = in->total ? in->done / (in->total / 100 + 1) : 0;
	if (percent > 100)
		percent = 100;
	now = now_ms();
	if (now - in->shown_at < 5000 && (percent < in->shown_percent + 5 || now - in->shown_at < 1000))
		return;
	in->shown_at = now;
	in->shown_percent = percent;
	done = xasprintf("%" PRIu64, in->done);
	total = xasprintf("%" PRIu64, in->total);
	event_emit("install.progress", "id", in->step->id, "done", done, "total", total, NULL);
	a = arena_new();
	printf("     %3" PRIu64 " %%  %s of %s\n", percent, facts_size(a, in->done), facts_size(a, in->total));
	fflush(stdout);
}

static int run_step(struct install *in, struct error *err)
{
	const struct step *step = in->step;
	int r = step->run ? step->run(in, err) : 0;

	for (const char *const *const *c = step->commands; r == 0 && c && *c; c++)
		r = process_check(*c, err);
	if (step->after) {
		int end = step->after(in, r < 0 ? NULL : err);

		r = r < 0 ? r : end;
	}
	return r;
}

static void announce(const struct install *in, size_t n)
{
	_cleanup_free_ char *number = xasprintf("%zu", n + 1);
	_cleanup_free_ char *of = xasprintf("%zu", in->plan->n_steps);

	event_emit("install.step", "id", in->step->id, "n", number, "of", of, "sentence", in->step->sentence, NULL);
	printf("[%2zu/%zu] %s\n", n + 1, in->plan->n_steps, in->step->sentence);
	fflush(stdout);
}

int install_run(const struct plan *plan, struct error *err)
{
	struct install in = {.plan = plan};
	bool destroyed = false;

	for (size_t i = 0; i < plan->n_steps; i++) {
		uint64_t start = now_ms();
		int r;

		in.step = &plan->steps[i];
		announce(&in, i);
		destroyed |= in.step->no_return;
		r = run_step(&in, err);
		if (r < 0) {
			error_prefix(err, in.step->id);
			/* Also when the failure is that something could not be closed: once more, all of it. */
			if (i > 0)
				target_release(plan, NULL);
			printf("       %s\n", destroyed ? "stopped; the disk is not usable, start again"
							: "stopped; nothing was written");
			fflush(stdout);
			return r;
		}
		printf("       done in %" PRIu64 ".%" PRIu64 " s\n", (now_ms() - start) / 1000,
		       (now_ms() - start) % 1000 / 100);
		fflush(stdout);
	}
	return 0;
}
