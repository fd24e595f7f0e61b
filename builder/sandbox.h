/*
 * Runs a program, or a function of ours, that sees nothing but one root folder: own mount, pid,
 * network (not even lo is up), ipc and uts namespaces, pivot_root, a minimal /dev, /proc, tmpfs on
 * /tmp and /run, the capabilities a package script needs and no more, a seccomp filter (no mount,
 * kexec, module, clock, keyring, ... calls), Landlock where the kernel has it, a fixed environment
 * and umask. Whatever the program started is dead when the call returns.
 *
 * The environment is fixed: PATH, HOME=/root, LANG=C.UTF-8, TZ=UTC, DEBIAN_FRONTEND=noninteractive,
 * SOURCE_DATE_EPOCH, and what the caller adds. The host name is "bulkhead", the umask 022.
 *
 * A read-only or throw-away root can be shared by any number of jobs at the same time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/strbuf.h"
#include "common/base/strv.h"

enum sandbox_root {
	SANDBOX_READ_ONLY,
	SANDBOX_WRITABLE,
	/* Writable; what is written lies in memory and is gone afterwards. */
	SANDBOX_THROWAWAY,
	/* Writable; what is written goes to `upper` (with `work`, an empty folder on the same file system). */
	SANDBOX_OVERLAY,
};

/*
 * source: absolute path of a folder or file outside. target: absolute path inside; where the root
 * has no such path it must lie below /run or /tmp, or the root be writable (then it is created and stays).
 */
struct sandbox_bind {
	const char *source, *target;
	bool writable;
	const char *upper, *work; /* not NULL: an overlay of `source` that writes to `upper`, as SANDBOX_OVERLAY */
};

struct sandbox {
	const char *root; /* absolute; NULL: an empty one in memory, into which `binds` go */
	enum sandbox_root mode;
	const char *upper, *work; /* SANDBOX_OVERLAY */
	const struct sandbox_bind *binds;
	size_t n_binds;
	const char *const *argv; /* argv[0] is looked for in the fixed PATH, inside */
	const char *const *env;	 /* further "NAME=value", NULL-terminated; may be NULL */
	const char *cwd;	 /* NULL: / */
	uint64_t epoch;
	/* Descriptors for the program: 0 stands for /dev/null (so that a zeroed struct is quiet). */
	int stdin_fd, stdout_fd, stderr_fd;
	unsigned timeout_s; /* 0: one hour */
	uint64_t file_max;  /* bytes that a file may get; 0: any number */
	bool not_preloaded; /* sandbox_vary()'s libraries are not for it: it packs whatever is loaded */
};

/*
 * For tests of reproducibility: every program that is run from now on (not functions) gets these
 * shared libraries, by absolute paths, in LD_PRELOAD, and these "NAME=value". Both stay the
 * caller's, and as they are. -E2BIG: more than 8.
 */
int sandbox_vary(const struct strv *libraries, const struct strv *env);

/* The version of the kernel's Landlock, which decides how much of it holds; 0: the kernel has none. */
unsigned sandbox_landlock_version(void);

/*
 * Runs sb->argv. 0 when it was run to its end: *status is its exit code, or 128 + signal.
 * -ETIMEDOUT: it was killed at the limit. Other negative errno: it could not be started; err says
 * at which step.
 */
int sandbox_run(const struct sandbox *sb, int *status, struct error *err);

/*
 * As sandbox_run, with output (stdout and stderr together, at most `max` bytes, the last ones)
 * collected in `log` (when stdout_fd and stderr_fd are 0), and an exit code other than 0 turned
 * into -EPROTO with the program's last line as the cause. `what` names it in messages.
 */
int sandbox_check(const struct sandbox *sb, const char *what, struct strbuf *log, size_t max,
		  struct error *err);

/*
 * Calls fn(arg) in the sandbox, in a process of its own; sb->argv is not used. What fn sets in its
 * `struct error` is carried over to `err`; its return value (0 or negative errno) is the result.
 * Of this process's descriptors fn has all but those of folders.
 */
int sandbox_call(const struct sandbox *sb, int (*fn)(void *arg, struct error *err), void *arg,
		 struct error *err);
