/* qa/run: runs scenarios on nested machines. Exit code: 0 all passed, 1 one failed or stopped, 2 wrong use. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/clock.h"
#include "common/sys/file.h"
#include "common/ui/options.h"
#include "qa/examine.h"
#include "qa/pool.h"
#include "qa/report.h"
#include "qa/run.h"
#include "qa/scenario.h"
#include "qa/stop.h"

static bool list, keep, shell, run_all;
static long jobs = 1024;
static const char *out = "out/qa", *qa_dir = "qa", *from;

static const struct option_def options[] = {
	{"list", 'l', OPTION_FLAG, &list, NULL, "list the scenarios"},
	{"all", 'a', OPTION_FLAG, &run_all, NULL, "run every scenario"},
	{"keep", 'k', OPTION_FLAG, &keep, NULL, "keep disks and logs of scenarios that pass as well"},
	{"shell", 's', OPTION_FLAG, &shell, NULL, "on failure, connect this terminal to the machine's console"},
	{"from", 'f', OPTION_STRING, &from, "DIR", "start on overlays of the disks kept there by an earlier run"},
	{"jobs", 'j', OPTION_NUMBER, &jobs, "N", "at most so many machines at a time (as the host's processors and memory allow)"},
	{"out", 'o', OPTION_STRING, &out, "DIR", "where logs, screenshots and reports go (out/qa)"},
	{"dir", 'd', OPTION_STRING, &qa_dir, "DIR", "folder with machines/, scenarios/ and timeouts.yaml (qa)"},
	{0},
};

static const struct command_line command = {
	.program = "qa/run",
	.operands = "SCENARIO...",
	.summary = "Runs scenarios on nested machines (QEMU) and reports what came of them.",
	.notes = "Scenarios read ${ISO} and the like from the environment; see docs/qa.md.",
	.options = options,
};

/* Sockets have short paths only: disks and sockets of a run lie in a folder of their own, logs in --out. */
static int make_folders(struct run *r, const char *scenario, struct error *err)
{
	char *scratch = arena_printf(r->arena, "%s/bulkhead-qa.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	const char *dir = arena_printf(r->arena, "%s/%s", out, scenario);
	char *absolute;
	int e = remove_tree(AT_FDCWD, dir);

	if (e == 0)
		e = mkdir_p(AT_FDCWD, dir, 0755);
	if (e < 0)
		return error_errno(err, e, dir, "cannot make the folder");
	absolute = realpath(dir, NULL);
	r->dir = arena_strdup(r->arena, absolute ? absolute : dir);
	free(absolute);
	absolute = realpath(qa_dir, NULL);
	r->qa_dir = arena_strdup(r->arena, absolute ? absolute : qa_dir);
	free(absolute);
	if (!mkdtemp(scratch))
		return error_errno(err, -errno, scratch, "cannot make the folder");
	r->scratch = scratch;
	return 0;
}

/* *failed gets the step that does, if one does. */
static int run_steps(struct run *r, const struct scenario *s, struct result *result, const struct yaml_node **failed,
		     struct error *err)
{
	unsigned i = 0;
	int e = 0;

	for (const struct yaml_node *step = s->steps->first; e == 0 && step; step = step->next) {
		const char *label = "";
		int64_t start = now_ms();

		e = scenario_step(r, step, &label, err);
		result_add_step(result, r->arena, label, now_ms() - start, e < 0);
		printf("%s: %2u/%zu %6.1f s  %s%s\n", s->name, ++i, s->steps->n, (double)(now_ms() - start) / 1000,
		       label, e < 0 ? "  FAILED" : "");
		fflush(stdout);
		if (e < 0) {
			_cleanup_free_ char *where = xasprintf("%s:%u", step->file, step->line);

			error_prefix(err, where);
			*failed = step;
		}
	}
	return e;
}

/* A scenario of this run. One that cannot be loaded takes nothing and follows none; it says why when it runs. */
struct chosen {
	const char *name, *after; /* after: as in struct scenario */
	uint64_t memory_mib, cpus;
};

static struct chosen *chosen; /* in the order in which they start */
static size_t n_chosen;

static int load_scenario(struct arena *a, const char *name, struct scenario *s, struct machine **m, struct error *err)
{
	int e = scenario_load(a, arena_printf(a, "%s/scenarios", qa_dir), name, s, err);

	return e < 0 ? e : machine_load(a, arena_printf(a, "%s/machines", qa_dir), s->machine, m, err);
}

/* Its index, or n_chosen. */
static size_t find_chosen(const char *name)
{
	size_t i = 0;

	while (i < n_chosen && strcmp(chosen[i].name, name) != 0)
		i++;
	return i;
}

static bool is_chosen(const char *name)
{
	return find_chosen(name) < n_chosen;
}

/* Does another scenario of this run start on the disks of this one? */
static bool is_awaited(const char *name)
{
	for (size_t i = 0; i < n_chosen; i++)
		if (chosen[i].after && !strcmp(chosen[i].after, name))
			return true;
	return false;
}

/* A link to the disks that a scenario of this run left for others; it is there when that one passed. */
static const char *disks_link(struct arena *a, const char *scenario)
{
	return arena_printf(a, "%s/%s/disks", out, scenario);
}

/* Where the disks are that the scenario starts on; NULL for new ones. */
static int find_disks(struct run *r, const struct scenario *s, const char **dir, struct error *err)
{
	char *kept = s->after ? realpath(disks_link(r->arena, s->after), NULL) : NULL;

	*dir = kept ? arena_strdup(r->arena, kept) : from;
	free(kept);
	if (!s->after || *dir)
		return 0;
	if (is_chosen(s->after))
		return error_set(err, -ENOENT, s->after, NULL, "it failed, and left no disks to start on");
	return error_set(err, -ENOENT, s->after, "name both scenarios, or the folder of its disks with --from",
			 "it was not run before: this one starts on its disks");
}

static int run_on_machine(struct run *r, const struct scenario *s, const struct machine *m, struct result *result,
			  struct error *err)
{
	const struct yaml_node *failed = NULL;
	const char *disks = NULL;
	int e;

	r->machine = m;
	e = make_folders(r, s->name, err);
	if (e == 0)
		e = find_disks(r, s, &disks, err);
	r->network = (struct network){
		.dir = arena_printf(r->arena, "%s/network", r->scratch),
		.logs = r->dir,
		.serve = arena_printf(r->arena, "%s/network/serve", r->qa_dir),
		.repository = arena_printf(r->arena, "%s/network/repository", r->qa_dir),
		.served = s->network,
	};
	if (e == 0)
		e = machine_prepare(m, r->scratch, disks, err);
	if (e == 0)
		e = run_steps(r, s, result, &failed, err);
	if (e < 0) {
		error_print("qa/run", err);
		if (failed && !stop_asked())
			examine(r, failed);
		if (shell && !stop_asked())
			run_shell(r);
	}
	run_cut_power(r);
	channel_close(&r->serial);
	channel_close(&r->events);
	channel_close(&r->qmp);
	if (e == 0 && is_awaited(s->name)) {
		if (symlink(r->scratch, disks_link(r->arena, s->name)))
			e = error_errno(err, -errno, disks_link(r->arena, s->name), "cannot be made");
	} else if (r->scratch && (keep || (e < 0 && !stop_asked())))
		fprintf(stderr, "qa/run: %s: disks kept in %s, logs in %s\n", s->name, r->scratch, r->dir);
	else if (r->scratch)
		remove_tree(AT_FDCWD, r->scratch);
	return e;
}

/* In a process of its own; what came of it lies in its folder. */
static int run_scenario(const char *name)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_error_ struct error err = {0};
	struct run r = {.arena = a, .serial = CHANNEL_CLOSED, .events = CHANNEL_CLOSED, .qmp = CHANNEL_CLOSED};
	int64_t start = now_ms();
	struct result result;
	struct machine *m;
	struct scenario s;
	int e = -EINVAL;

	result_begin(&result, a, name);
	r.timeouts = timeouts_load(a, arena_printf(a, "%s/timeouts.yaml", qa_dir), &err);
	if (r.timeouts)
		e = load_scenario(a, name, &s, &m, &err);
	if (e == 0)
		e = run_on_machine(&r, &s, m, &result, &err);
	else
		error_print("qa/run", &err);
	result.ms = now_ms() - start;
	if (e < 0)
		result.failure = arena_printf(a, "%s: %s", err.object, err.cause);
	if (!r.dir) {
		r.dir = arena_printf(a, "%s/%s", out, name);
		mkdir_p(AT_FDCWD, r.dir, 0755);
	}
	if (result_write(arena_printf(a, "%s/result.json", r.dir), &result, &err) < 0)
		error_print("qa/run", &err);
	return e < 0;
}

static int find_scenarios(struct strv *names)
{
	_cleanup_free_ char *path = xasprintf("%s/scenarios", qa_dir);
	_cleanup_closedir_ DIR *dir = opendir(path);
	struct dirent *e;

	if (!dir) {
		fprintf(stderr, "qa/run: %s: %s; run it from the top folder or name --dir\n", path, strerror(errno));
		return -errno;
	}
	while ((e = readdir(dir)))
		if (blob_has_suffix(blob_of(e->d_name), ".yaml"))
			strv_pushf(names, "%.*s", (int)strlen(e->d_name) - 5, e->d_name);
	strv_sort(names);
	return 0;
}

static void print_list(const struct strv *names)
{
	for (size_t i = 0; i < names->n; i++) {
		_cleanup_arena_ struct arena *a = arena_new();
		_cleanup_error_ struct error err = {0};
		struct scenario s;

		if (scenario_load(a, arena_printf(a, "%s/scenarios", qa_dir), names->v[i], &s, &err) < 0)
			error_print("qa/run", &err);
		else
			printf("%-20s %s\n", s.name, s.summary);
	}
}

static struct result *results;
static struct arena *results_arena;

static int job_run(unsigned i)
{
	return run_scenario(chosen[i].name);
}

static void job_ended(unsigned i)
{
	result_read(results_arena, arena_printf(results_arena, "%s/%s/result.json", out, chosen[i].name), &results[i]);
	printf("%s: %s in %lld s\n", results[i].scenario, results[i].failure ? "FAILED" : "passed",
	       (long long)results[i].ms / 1000);
	fflush(stdout);
}

static int write_reports(unsigned n)
{
	_cleanup_error_ struct error err = {0};
	int r = report_junit(arena_printf(results_arena, "%s/junit.xml", out), results, n, &err);

	if (r == 0)
		r = report_html(out, results, n, &err);
	if (r < 0)
		error_print("qa/run", &err);
	return r;
}

static struct chosen load_chosen(struct arena *a, const char *name)
{
	struct chosen c = {.name = name};
	struct machine *m;
	struct scenario s;

	if (load_scenario(a, name, &s, &m, NULL) == 0) {
		c.after = s.after;
		c.memory_mib = m->memory_mib;
		c.cpus = m->cpus;
	}
	return c;
}

/* Each behind the one whose disks it starts on. What waits for itself comes last, and fails. */
static void choose(struct arena *a, const struct strv *names)
{
	struct chosen *all = arena_alloc(a, names->n * sizeof(*all));
	size_t before;

	for (size_t i = 0; i < names->n; i++)
		all[i] = load_chosen(a, names->v[i]);
	chosen = arena_alloc(a, names->n * sizeof(*chosen));
	do {
		before = n_chosen;
		for (size_t i = 0; i < names->n; i++)
			if (!is_chosen(all[i].name) &&
			    (!all[i].after || !strv_contains(names, all[i].after) || is_chosen(all[i].after)))
				chosen[n_chosen++] = all[i];
	} while (n_chosen > before);
	for (size_t i = 0; i < names->n; i++)
		if (!is_chosen(all[i].name))
			chosen[n_chosen++] = all[i];
}

static struct pool_job job_of(const struct chosen *c)
{
	size_t after = c->after ? find_chosen(c->after) : n_chosen;

	return (struct pool_job){c->memory_mib, c->cpus, after < n_chosen, (unsigned)after};
}

/* The disks that scenarios of this run left for others. */
static void remove_kept_disks(struct arena *a)
{
	for (size_t i = 0; i < n_chosen; i++) {
		const char *link = disks_link(a, chosen[i].name);
		char *dir = realpath(link, NULL);

		if (dir && keep)
			fprintf(stderr, "qa/run: %s: disks kept in %s\n", chosen[i].name, dir);
		else if (dir && remove_tree(AT_FDCWD, dir) == 0)
			unlink(link);
		free(dir);
	}
}

static int run_scenarios(const struct strv *names)
{
	_cleanup_arena_ struct arena *a = arena_new();
	struct pool pool = {.jobs = (unsigned)jobs, .run = job_run, .ended = job_ended};
	struct pool_job *sizes;
	unsigned failed = 0;
	int r;

	results_arena = a;
	choose(a, names);
	sizes = arena_alloc(a, n_chosen * sizeof(*sizes));
	results = arena_alloc(a, n_chosen * sizeof(*results));
	mkdir_p(AT_FDCWD, out, 0755);
	for (size_t i = 0; i < n_chosen; i++) {
		result_begin(&results[i], a, chosen[i].name);
		results[i].failure = "it was not started";
		sizes[i] = job_of(&chosen[i]);
		/* Never the result of an earlier run. */
		unlink(arena_printf(a, "%s/%s/result.json", out, chosen[i].name));
	}
	pool_measure(&pool);
	r = pool_run(&pool, sizes, (unsigned)n_chosen);
	if (r < 0)
		fprintf(stderr, "qa/run: %s\n", r == -EINTR ? "stopped" : strerror(-r));
	r = r < 0 && r != -EINTR ? r : write_reports((unsigned)n_chosen);
	remove_kept_disks(a);
	for (size_t i = 0; i < n_chosen; i++)
		failed += results[i].failure != NULL;
	printf("%zu passed, %u failed, 0 skipped\n", n_chosen - failed, failed);
	return failed || r < 0;
}

int main(int argc, char **argv)
{
	_cleanup_strv_ struct strv names = {0};
	int r = (int)options_parse(&command, argc, argv, &names);

	if (r != OPTIONS_OK)
		return r == OPTIONS_HELP ? 0 : 2;
	signal(SIGPIPE, SIG_IGN);
	stop_catch(pool_stop);
	/* An overlay names its base by its path as given. */
	if (from && !(from = realpath(from, NULL))) {
		fprintf(stderr, "qa/run: --from: %s\n", strerror(errno));
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if ((list || run_all) && find_scenarios(&names) < 0)
		return 2;
	if (list) {
		print_list(&names);
		return 0;
	}
	if (!names.n)
		return options_wrong(&command, "which scenario? --list shows them");
	if (jobs < 1 || shell)
		jobs = 1;
	return run_scenarios(&names);
}
