/* Programs that states and templates run, and what they print. */
#include <fcntl.h>

#include "common/sys/file.h"
#include "common/sys/process.h"
#include "salt-lite/engine/salt.h"

enum { OUTPUT_MAX = 1 << 20 };

/* "NAME=VALUE" words for env(1). */
static void add_environment(struct salt *s, const struct value *env, const char **argv, size_t *n, size_t max)
{
	for (size_t i = 0; env && value_is_list(env) && i < env->list.n; i++)
		add_environment(s, env->list.items[i], argv, n, max);
	for (size_t i = 0; env && env->kind == V_MAP && i < env->map.n; i++) {
		if (*n >= max)
			heap_fail(&s->h, "more than %zu variables in env", max);
		argv[(*n)++] = arena_printf(s->h.arena, "%s=%s", value_cstr(&s->h, env->map.pairs[i].key),
					    value_cstr(&s->h, env->map.pairs[i].value));
	}
}

int output_run(struct process *p, size_t max, struct strbuf *out)
{
	char rest[4096];
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	p->stdout_fd = p->stderr_fd = ends[1];
	pid = process_spawn(p);
	close(ends[1]);
	if (pid > 0 && read_fd(ends[0], max, out) == -EFBIG)
		while (read(ends[0], rest, sizeof(rest)) > 0)
			;
	close(ends[0]);
	return pid < 0 ? (int)pid : process_wait(pid);
}

int shell_run(struct salt *s, const struct shell *shell, struct strbuf *out)
{
	enum { VARIABLES_MAX = 64 };
	const char *argv[VARIABLES_MAX + 16];
	_cleanup_close_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	size_t n = 0;

	if (shell->timeout > 0) {
		argv[n++] = "timeout";
		argv[n++] = "--kill-after=5";
		argv[n++] = arena_printf(s->h.arena, "%ld", shell->timeout);
	}
	if (shell->user) {
		argv[n++] = "runuser";
		argv[n++] = "-u";
		argv[n++] = shell->user;
		argv[n++] = "--";
	}
	if (shell->env) {
		argv[n++] = "env";
		add_environment(s, shell->env, argv, &n, VARIABLES_MAX);
	}
	argv[n++] = "/bin/sh";
	argv[n++] = "-c";
	argv[n++] = shell->command;
	argv[n] = NULL;
	s->qubes = (struct blob){0};
	return output_run(&(struct process){.argv = argv, .cwd = shell->cwd, .stdin_fd = null}, OUTPUT_MAX, out);
}
