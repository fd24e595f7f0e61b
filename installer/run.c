#include "installer/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/clock.h"
#include "common/sys/process.h"
#include "common/ui/event.h"
#include "installer/table.h"
#include "installer/target.h"

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

void install_count(void *data, uint64_t bytes)
{
	install_progress_add(data, bytes);
}

/* Says each command; a failure names all of it, for many steps call the same program several times. */
static int run_commands(const struct step *step, struct error *err)
{
	_cleanup_free_ char *total = NULL;
	size_t n = 0, i = 0;
	int r = 0;

	while (step->commands && step->commands[n])
		n++;
	total = xasprintf("%zu", n);
	for (; r == 0 && i < n; i++) {
		_cleanup_free_ char *done = xasprintf("%zu", i);
		_cleanup_strbuf_ struct strbuf line = {0};

		plan_command_text(step->commands[i], &line);
		event_emit("install.command", "id", step->id, "done", done, "total", total, "command", line.p, NULL);
		printf("       %zu/%zu $ %s\n", i + 1, n, line.p);
		fflush(stdout);
		r = process_check(step->commands[i], err);
		if (r < 0 && err) {
			free(err->object);
			err->object = xstrdup(line.p);
		}
	}
	return r;
}

static int run_step(struct install *in, struct error *err)
{
	const struct step *step = in->step;
	int r = step->run ? step->run(in, err) : 0;

	if (r == 0)
		r = run_commands(step, err);
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

/* On the target's /boot from the moment it is mounted; what was finished before that is noted then. */
static int open_record(struct install *in, size_t n, struct error *err)
{
	int r = 0;

	if (in->earlier) {
		in->record = record_continue(in->plan, err);
		return in->record < 0 ? in->record : 0;
	}
	in->record = record_create(in->plan, &in->uuid, err);
	if (in->record < 0)
		return in->record;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = record_step(in->record, in->plan->steps[i].id, err);
	return r;
}

static int note_step(struct install *in, size_t n, struct error *err)
{
	int r = 0;

	if (in->step->opens_record)
		r = open_record(in, n, err);
	if (r < 0 || in->record < 0 || record_has(in->earlier, in->step->id))
		return r;
	/* Also what lies on block devices and in no file system, such as GRUB's image. */
	sync();
	return record_step(in->record, in->step->id, err);
}

static int try_step(struct install *in, size_t n, struct error *err)
{
	bool done = record_has(in->earlier, in->step->id);
	int r;

	if (!done)
		r = run_step(in, err);
	else
		r = in->step->again ? in->step->again(in, err) : 0;
	if (r == 0)
		r = note_step(in, n, err);
	return r < 0 ? (error_prefix(err, in->step->id), r) : 0;
}

static void close_record(struct install *in)
{
	if (in->record >= 0)
		close(in->record);
	in->record = -1;
}

static const char *what_is_left(const struct install *in, bool wrote)
{
	if (!wrote)
		return "stopped; nothing was written";
	return in->record >= 0 ? "stopped; what is finished is noted on the disk: with the same answers it goes on from there"
			       : "stopped; the disk is not usable, start again";
}

static void stop(struct install *in, bool wrote, enum install_choice choice)
{
	_cleanup_error_ struct error err = {0};
	const char *left = what_is_left(in, wrote);

	close_record(in);
	/* Also when the failure is that something could not be closed: once more, all of it. */
	if (in->step != in->plan->steps)
		target_release(in->plan->places.target, NULL);
	if (wrote && choice == INSTALL_UNDO && plan_can_undo(in->plan)) {
		left = "stopped; the partitions that were added are gone again";
		if (table_remove(in->plan->disk->device, &in->plan->layout, &err) < 0) {
			error_print("undo", &err);
			left = "stopped; the partitions that were added could not be removed";
		}
	}
	printf("       %s\n", left);
	fflush(stdout);
}

/* Not noted as finished: it is tried again when the installation is gone on with. */
static int skip_step(struct install *in, struct error *err)
{
	printf("       not done, which can be lived with: %s: %s\n", err->object, err->cause);
	fflush(stdout);
	strv_pushf(&in->skipped, "%s: %s; %s", err->object, err->cause, in->step->instead);
	error_free(err);
	return 0;
}

static int do_step(struct install *in, size_t n, const struct install_options *options, bool *wrote, struct error *err)
{
	uint64_t start = now_ms();
	int r;

	announce(in, n);
	in->again = in->earlier != NULL;
	*wrote |= in->step->writes;
	while ((r = try_step(in, n, err)) < 0) {
		enum install_choice choice;

		if (in->step->instead)
			return skip_step(in, err);
		choice = options->failed ? options->failed(options->data, in->step, r, err) : INSTALL_LEAVE;

		if (choice != INSTALL_RETRY) {
			stop(in, *wrote, choice);
			return r;
		}
		error_free(err);
		in->again = true;
	}
	printf("       %s in %" PRIu64 ".%" PRIu64 " s\n", record_has(in->earlier, in->step->id) ? "as it was" : "done",
	       (now_ms() - start) / 1000, (now_ms() - start) % 1000 / 100);
	fflush(stdout);
	return 0;
}

int install_run(const struct plan *plan, const struct install_options *options, struct error *err)
{
	struct install in = {.plan = plan, .earlier = options->earlier, .record = -1};
	bool wrote = false;
	int r = 0;

	if (in.earlier)
		in.uuid = in.earlier->uuid;
	for (size_t i = 0; r == 0 && i < plan->n_steps; i++) {
		in.step = &plan->steps[i];
		r = do_step(&in, i, options, &wrote, err);
	}
	close_record(&in);
	if (options->skipped)
		*options->skipped = in.skipped;
	else
		strv_free(&in.skipped);
	return r;
}
