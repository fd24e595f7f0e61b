/*
 * The other side of a figure of `make bench-salt`: salt-rounds ROUNDS SOCKET ROOT NAME... renders and compiles state
 * files as one run does, each time from nothing, and prints the processor seconds of the best round.
 */
#include <malloc.h>
#include <stdio.h>
#include <time.h>

#include "salt-lite/engine/salt.h"

struct job {
	struct salt salt;
	struct strv names;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void compile(struct heap *h, void *data)
{
	struct job *job = data;

	(void)h;
	salt_prepare(&job->salt);
	salt_compile(&job->salt, &job->names);
}

/* Seconds, or less than 0: it does not compile. */
static double compile_round(char **argv, const struct value *grains)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	_cleanup_error_ struct error err = {0};
	struct job job = {.salt = {.root = "", .id = "dom0", .qubesd = argv[2], .grains = grains, .test = true}};
	double start = now();
	int r;

	heap_init(&job.salt.h, arena, &err);
	strv_push(&job.salt.file_roots[ENV_BASE], argv[3]);
	for (char **name = argv + 4; *name; name++)
		strv_push(&job.names, *name);
	r = heap_try(&job.salt.h, compile, &job);
	strv_free(&job.names);
	strv_free(&job.salt.file_roots[ENV_BASE]);
	if (r < 0)
		error_print("salt-rounds", &err);
	return r < 0 ? -1 : now() - start;
}

int main(int argc, char **argv)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	_cleanup_error_ struct error err = {0};
	struct salt machine = {.root = "", .id = "dom0"};
	const struct value *grains;
	double best = 0;

	if (argc < 5) {
		fprintf(stderr, "usage: salt-rounds ROUNDS SOCKET ROOT NAME...\n");
		return 64;
	}
	/* Memory goes back to malloc after a round, as libyaml's does, not to the kernel. */
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	heap_init(&machine.h, arena, &err);
	grains = grains_gather(&machine);
	for (long i = strtol(argv[1], NULL, 10); i > 0; i--) {
		double took = compile_round(argv, grains);

		if (took < 0)
			return 1;
		best = best == 0 || took < best ? took : best;
	}
	return printf("%.9f\n", best) < 0;
}
