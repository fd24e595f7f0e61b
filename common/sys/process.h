/* Starting programs: one description, started with vfork semantics, waited for or captured. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "common/base/error.h"
#include "common/base/strbuf.h"

struct process {
	const char *const *argv; /* argv[0] is searched in PATH unless it has a slash */
	char *const *env;	 /* NULL: as here */
	const char *cwd;	 /* NULL: as here */
	/* 0 means: as here (stdin) or as here (stdout, stderr); otherwise the descriptor that becomes it. */
	int stdin_fd, stdout_fd, stderr_fd;
	int null_stdin; /* stdin is /dev/null */
};

/* Returns the pid, or -errno (-ENOENT: no such program). Other descriptors must be close-on-exec. */
pid_t process_spawn(const struct process *p);
/* Waits; returns the exit code, or 128 + signal, or -errno. */
int process_wait(pid_t pid);
/* spawn + wait. */
int process_run(const struct process *p);
/* Runs with stdin from /dev/null and appends what it prints to *out, at most `max` bytes. Returns as process_wait(). */
int process_capture(const char *const *argv, size_t max, struct strbuf *out);
/* Runs and turns anything but exit code 0 into an error that names the program and its last line on stderr. */
int process_check(const char *const *argv, struct error *err);
