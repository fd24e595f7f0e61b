/* Each job runs once, never more at a time than fit, and one that is too large runs alone. */
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/tests/test.h"
#include "qa/pool.h"

#define JOB(memory, processors) {.memory_mib = (memory), .cpus = (processors)}

/* Shared with the jobs' processes. */
static struct shared {
	atomic_uint running, memory, runs[8];
	atomic_bool too_many, too_much, too_early, done[8];
} *shared;
static const struct pool_job *sizes;
static unsigned ended, room;

static int count_and_wait(unsigned i)
{
	unsigned memory = atomic_fetch_add(&shared->memory, (unsigned)sizes[i].memory_mib) + (unsigned)sizes[i].memory_mib;
	unsigned running = atomic_fetch_add(&shared->running, 1) + 1;

	if (sizes[i].waits && !shared->done[sizes[i].after])
		shared->too_early = true;
	if (running > 3)
		shared->too_many = true;
	if (memory > room && running > 1)
		shared->too_much = true;
	shared->runs[i]++;
	usleep(2000);
	shared->done[i] = true;
	atomic_fetch_sub(&shared->running, 1);
	atomic_fetch_sub(&shared->memory, (unsigned)sizes[i].memory_mib);
	return 0;
}

static void count_ended(unsigned i)
{
	(void)i;
	ended++;
}

static void run_all(const struct pool_job *jobs, unsigned n)
{
	const struct pool pool = {.jobs = 3, .memory_mib = 10, .cpus = 8, .run = count_and_wait, .ended = count_ended};

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	sizes = jobs;
	ended = 0;
	room = 10;
	CHECK_INT(pool_run(&pool, jobs, n), 0);
	CHECK_INT(ended, n);
	for (unsigned i = 0; i < n; i++)
		CHECK_INT(shared->runs[i], 1);
	CHECK(!shared->too_many);
	CHECK(!shared->too_much);
	CHECK(!shared->too_early);
	munmap(shared, sizeof(*shared));
}

TEST(number)
{
	static const struct pool_job jobs[] = {JOB(1, 1), JOB(1, 1), JOB(1, 1), JOB(1, 1), JOB(1, 1), JOB(1, 1), JOB(1, 1)};

	run_all(jobs, 7);
}

TEST(memory)
{
	static const struct pool_job jobs[] = {JOB(6, 1), JOB(6, 1), JOB(4, 1), JOB(8, 1), JOB(2, 1)};

	run_all(jobs, 5);
}

TEST(larger_than_the_host)
{
	static const struct pool_job jobs[] = {JOB(4, 1), JOB(400, 64), JOB(4, 1)};

	run_all(jobs, 3);
}

TEST(one_waits_for_another)
{
	static const struct pool_job jobs[] = {JOB(1, 1),
					       JOB(1, 1),
					       {.memory_mib = 1, .cpus = 1, .waits = true, .after = 1},
					       JOB(1, 1),
					       {.memory_mib = 1, .cpus = 1, .waits = true, .after = 2}};

	run_all(jobs, 5);
}
