#include "builder/user.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"
#include "common/sys/process.h"

enum { RANGE = 65535, RANGES_MAX = 1 << 20 };

static bool in_namespace;

bool user_in_namespace(void)
{
	return in_namespace;
}

/* The first range of at least 65535 ids that the text (subuid(5): "name:first:count") gives to the name or number. */
static bool range_of(struct blob text, const char *name, unsigned id, unsigned *first)
{
	_cleanup_free_ char *number = xasprintf("%u", id);
	struct blob line, who, from, count;

	while (blob_token(&text, '\n', &line)) {
		uint64_t f, n;

		if (!blob_token(&line, ':', &who) || !blob_token(&line, ':', &from) || !blob_token(&line, ':', &count) ||
		    (!blob_eq_str(who, name) && !blob_eq_str(who, number)) || !blob_to_u64(from, UINT32_MAX, &f) ||
		    !blob_to_u64(count, UINT32_MAX, &n) || n < RANGE)
			continue;
		*first = (unsigned)f;
		return true;
	}
	return false;
}

struct map {
	const char *program, *file;
	unsigned own, first;
};

static int find_range(struct map *m, const char *name, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	int r = read_file(AT_FDCWD, m->file, RANGES_MAX, &text);

	if (r < 0 && r != -ENOENT)
		return error_errno(err, r, m->file, "cannot read");
	if (range_of(strbuf_blob(&text), name, getuid(), &m->first))
		return 0;
	return error_set(err, -EPERM, m->file, "run as root, or usermod --add-subuids and --add-subgids",
			 "has no %d ids for %s, whom a root's files could belong to", RANGE, name);
}

static int map_ids(const struct map *m, pid_t pid, struct error *err)
{
	_cleanup_free_ char *p = xasprintf("%d", (int)pid), *own = xasprintf("%u", m->own),
			    *first = xasprintf("%u", m->first), *n = xasprintf("%d", RANGE);
	const char *const argv[] = {m->program, p, "0", own, "1", "1", first, n, NULL};

	return process_check(argv, err);
}

/* Only from outside can ids other than one's own be mapped. `go` ends when the namespace is there. */
static _Noreturn void map_from_outside(const struct map maps[2], int go, int answer)
{
	_cleanup_error_ struct error err = {0};
	pid_t pid = getppid();
	char c;

	if (read(go, &c, 1) != 1)
		_exit(1);
	for (size_t i = 0; i < 2; i++)
		if (map_ids(&maps[i], pid, &err) < 0) {
			dprintf(answer, "%s: %s", err.object, err.cause);
			_exit(1);
		}
	_exit(0);
}

static int new_namespace(struct error *err)
{
	if (unshare(CLONE_NEWUSER) < 0)
		return error_set(err, -errno, "user namespace", "run as root", "cannot make it: %s", strerror(errno));
	in_namespace = true;
	return 0;
}

static int take_all_ids(const struct map maps[2], struct error *err)
{
	_cleanup_close_ int go = -1, go_in = -1, answer = -1, answer_in = -1;
	_cleanup_strbuf_ struct strbuf why = {0};
	int fds[2], r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, -errno, "user namespace", "pipe");
	go_in = fds[0];
	go = fds[1];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, -errno, "user namespace", "pipe");
	answer = fds[0];
	answer_in = fds[1];
	pid = fork();
	if (pid < 0)
		return error_errno(err, -errno, "user namespace", "fork");
	if (pid == 0) {
		close(take_fd(&go));
		map_from_outside(maps, go_in, answer_in);
	}
	close(take_fd(&answer_in));
	r = new_namespace(err);
	if (r == 0 && write(go, "", 1) != 1)
		r = error_errno(err, -errno, "user namespace", "pipe");
	close(take_fd(&go));
	read_fd(answer, 4096, &why);
	if (process_wait(pid) == 0 || r < 0)
		return r;
	return error_set(err, -EPERM, "user namespace", "install the package uidmap, or run as root", "cannot map ids: %s",
			 why.n ? why.p : "ended early");
}

static int take_own_id(const struct map maps[2], struct error *err)
{
	const char *const files[] = {"/proc/self/uid_map", "/proc/self/gid_map"};
	int r = new_namespace(err);

	if (r < 0)
		return r;
	r = write_file(AT_FDCWD, "/proc/self/setgroups", "deny", 4, 0600);
	if (r < 0)
		return error_errno(err, r, "/proc/self/setgroups", "cannot write");
	for (size_t i = 0; r == 0 && i < 2; i++) {
		_cleanup_free_ char *text = xasprintf("0 %u 1", maps[i].own);

		r = write_file(AT_FDCWD, files[i], text, strlen(text), 0600);
		if (r < 0)
			return error_errno(err, r, files[i], "cannot write");
	}
	return r;
}

int user_become_root(enum user_ids ids, struct error *err)
{
	struct map maps[2] = {{"newuidmap", "/etc/subuid", getuid(), 0}, {"newgidmap", "/etc/subgid", getgid(), 0}};
	const struct passwd *pw;
	int r = 0;

	if (geteuid() == 0)
		return 0;
	pw = getpwuid(getuid());
	for (size_t i = 0; r == 0 && ids == USER_ALL_IDS && i < 2; i++)
		r = find_range(&maps[i], pw ? pw->pw_name : "", err);
	if (r < 0)
		return r;
	r = ids == USER_ALL_IDS ? take_all_ids(maps, err) : take_own_id(maps, err);
	if (r < 0)
		return r;
	/* The kernel keeps newly privileged processes from being looked at; sandboxes open their own /proc/self. */
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0)
		return error_errno(err, -errno, "user namespace", "cannot become its root");
	return 0;
}
