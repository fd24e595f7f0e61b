/*
 * Linked into qubesd-crashing instead of the C library's functions that change files: CRASH_AT=N kills
 * the whole process group, as `kill -9` would, before the N-th of these calls in the daemon and its
 * forked children together. HURRY=N: what it waits for takes the N-th part of its time. Without them nothing is different.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>
#include <unistd.h>

static long *count, limit, hurry;

__attribute__((constructor)) static void prepare(void)
{
	const char *at = getenv("CRASH_AT"), *pace = getenv("HURRY");

	limit = at ? atol(at) : 0;
	hurry = pace ? atol(pace) : 1;
	count = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (count == MAP_FAILED)
		abort();
}

static void step(void)
{
	if (__atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST) == limit)
		kill(0, SIGKILL);
}

#define WRAP(name, parameters, arguments)                                                          \
	int __real_##name parameters;                                                              \
	int __wrap_##name parameters;                                                              \
	int __wrap_##name parameters                                                               \
	{                                                                                          \
		step();                                                                            \
		return __real_##name arguments;                                                    \
	}

WRAP(rename, (const char *from, const char *to), (from, to))
WRAP(renameat, (int fd, const char *from, int fd2, const char *to), (fd, from, fd2, to))
WRAP(link, (const char *from, const char *to), (from, to))
WRAP(symlink, (const char *from, const char *to), (from, to))
WRAP(unlink, (const char *path), (path))
WRAP(unlinkat, (int fd, const char *path, int flags), (fd, path, flags))
WRAP(fsync, (int fd), (fd))
WRAP(ftruncate, (int fd, off_t size), (fd, size))
WRAP(truncate, (const char *path, off_t size), (path, size))
WRAP(mkdirat, (int fd, const char *path, mode_t mode), (fd, path, mode))

int __real_sd_event_add_time_relative(sd_event *e, sd_event_source **source, clockid_t clock, uint64_t usec,
				      uint64_t accuracy, sd_event_time_handler_t callback, void *user);
int __wrap_sd_event_add_time_relative(sd_event *e, sd_event_source **source, clockid_t clock, uint64_t usec,
				      uint64_t accuracy, sd_event_time_handler_t callback, void *user);
int __wrap_sd_event_add_time_relative(sd_event *e, sd_event_source **source, clockid_t clock, uint64_t usec,
				      uint64_t accuracy, sd_event_time_handler_t callback, void *user)
{
	return __real_sd_event_add_time_relative(e, source, clock, usec / (uint64_t)hurry, accuracy, callback, user);
}
