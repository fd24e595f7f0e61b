#include "common/sys/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "common/sys/file.h"

extern char **environ;

static int add_actions(posix_spawn_file_actions_t *actions, const struct process *p)
{
	int r = 0;

	if (p->cwd)
		r = posix_spawn_file_actions_addchdir_np(actions, p->cwd);
	if (!r && p->null_stdin)
		r = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
	else if (!r && p->stdin_fd > 0)
		r = posix_spawn_file_actions_adddup2(actions, p->stdin_fd, 0);
	if (!r && p->stdout_fd > 0)
		r = posix_spawn_file_actions_adddup2(actions, p->stdout_fd, 1);
	if (!r && p->stderr_fd > 0)
		r = posix_spawn_file_actions_adddup2(actions, p->stderr_fd, 2);
	return r;
}

/* The child starts with default signals and none blocked, whatever an event loop did here. */
static void reset_signals(posix_spawnattr_t *attr)
{
	sigset_t all, none;

	sigfillset(&all);
	sigemptyset(&none);
	posix_spawnattr_setsigdefault(attr, &all);
	posix_spawnattr_setsigmask(attr, &none);
	posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
}

pid_t process_spawn(const struct process *p)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	pid_t pid = -1;
	int r;

	if (posix_spawn_file_actions_init(&actions))
		return -ENOMEM;
	if (posix_spawnattr_init(&attr)) {
		posix_spawn_file_actions_destroy(&actions);
		return -ENOMEM;
	}
	reset_signals(&attr);
	r = add_actions(&actions, p);
	if (!r)
		r = posix_spawnp(&pid, p->argv[0], &actions, &attr, (char *const *)(uintptr_t)p->argv,
				 p->env ? p->env : environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return r ? -r : pid;
}

int process_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int process_run(const struct process *p)
{
	pid_t pid = process_spawn(p);

	return pid < 0 ? (int)pid : process_wait(pid);
}

static int capture(struct process *p, int *fd_field, size_t max, struct strbuf *out)
{
	_cleanup_close_ int from = -1;
	_cleanup_close_ int to = -1;
	int fds[2], r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	from = fds[0];
	to = fds[1];
	*fd_field = to;
	pid = process_spawn(p);
	if (pid < 0)
		return (int)pid;
	close(take_fd(&to));
	r = read_fd(from, max, out);
	if (r < 0)
		kill(pid, SIGKILL);
	close(take_fd(&from));
	if (r < 0) {
		process_wait(pid);
		return r;
	}
	return process_wait(pid);
}

int process_capture(const char *const *argv, size_t max, struct strbuf *out)
{
	struct process p = {.argv = argv, .null_stdin = 1};

	return capture(&p, &p.stdout_fd, max, out);
}

int process_check(const char *const *argv, struct error *err)
{
	struct process p = {.argv = argv, .null_stdin = 1};
	_cleanup_strbuf_ struct strbuf said = {0};
	struct blob line;
	int r = capture(&p, &p.stderr_fd, 1 << 20, &said);

	if (r == 0)
		return 0;
	if (r < 0)
		return error_errno(err, r, argv[0], "cannot run");
	line = blob_last_line(strbuf_blob(&said));
	return error_set(err, -EIO, argv[0], NULL, "exit code %d%s%.*s", r, line.n ? ": " : "", BLOB_ARG(line));
}
