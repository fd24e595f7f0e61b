#include "qa/pool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "qa/stop.h"

struct state {
	const struct pool *pool;
	const struct pool_job *jobs;
	pid_t *pids;
	unsigned next, running;
	uint64_t memory_mib, cpus; /* taken */
};

static struct state *volatile current; /* NULL in the jobs' own processes */

void pool_stop(void)
{
	struct state *s = current;

	for (unsigned i = 0; s && i < s->next; i++)
		if (s->pids[i])
			kill(s->pids[i], SIGTERM);
}

void pool_measure(struct pool *p)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/meminfo", "re");
	unsigned long long kib = 0;
	char line[256];
	cpu_set_t set;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %llu", &kib) == 1)
			break;
	p->memory_mib = kib * 3 / 4 / 1024;
	p->cpus = sched_getaffinity(0, sizeof(set), &set) ? 1 : (uint64_t)CPU_COUNT(&set);
}

static bool can_start(const struct state *s)
{
	const struct pool_job *job = &s->jobs[s->next];

	if (job->waits && s->pids[job->after])
		return false;
	return s->running == 0 || (s->running < s->pool->jobs && s->memory_mib + job->memory_mib <= s->pool->memory_mib &&
				   s->cpus + job->cpus <= s->pool->cpus);
}

static int start(struct state *s)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		int code;

		current = NULL;
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		code = s->pool->run(s->next);
		fflush(NULL);
		_exit(code);
	}
	s->pids[s->next] = pid;
	s->memory_mib += s->jobs[s->next].memory_mib;
	s->cpus += s->jobs[s->next].cpus;
	s->next++;
	s->running++;
	return 0;
}

static int reap(struct state *s)
{
	int status;
	pid_t pid = waitpid(-1, &status, 0);

	if (pid < 0)
		return errno == EINTR ? 0 : -errno;
	for (unsigned i = 0; i < s->next; i++) {
		if (s->pids[i] != pid)
			continue;
		s->pids[i] = 0;
		s->memory_mib -= s->jobs[i].memory_mib;
		s->cpus -= s->jobs[i].cpus;
		s->running--;
		s->pool->ended(i);
	}
	return 0;
}

int pool_run(const struct pool *p, const struct pool_job *jobs, unsigned n)
{
	_cleanup_free_ pid_t *pids = xcalloc(n, sizeof(*pids));
	struct state s = {.pool = p, .jobs = jobs, .pids = pids};
	int r = 0;

	current = &s;
	while (r == 0 && (s.running || (s.next < n && !stop_asked()))) {
		if (s.next < n && !stop_asked() && can_start(&s))
			r = start(&s);
		else
			r = reap(&s);
		/* Between its making and its place in the list a process was not told. */
		if (stop_asked())
			pool_stop();
	}
	current = NULL;
	return r == 0 && stop_asked() ? -EINTR : r;
}
