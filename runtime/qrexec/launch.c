#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/base/strv.h"
#include "common/sys/socket.h"
#include "runtime/qrexec/command.h"
#include "runtime/qrexec/launch.h"
#include "runtime/qrexec/protocol.h"
#include "runtime/qrexec/service.h"
#include "runtime/qrexec/transfer.h"

extern char **environ;

#define STDOUT_PIPE (256 << 10)

static launch_session_fn open_session;
static uid_t own_uid;
static char *own_name;
static struct rlimit files_of_programs;

void launch_setup(launch_session_fn session)
{
	struct passwd *pw;

	open_session = session;
	if (!session)
		return;
	own_uid = geteuid();
	pw = getpwuid(own_uid);
	own_name = xstrdup(pw ? pw->pw_name : "");
}

void launch_many_files(void)
{
	struct rlimit many;

	if (getrlimit(RLIMIT_NOFILE, &many) < 0 || many.rlim_cur == many.rlim_max)
		return;
	files_of_programs = many;
	many.rlim_cur = many.rlim_max;
	setrlimit(RLIMIT_NOFILE, &many);
}

void launch_usual_files(void)
{
	if (files_of_programs.rlim_max)
		setrlimit(RLIMIT_NOFILE, &files_of_programs);
}

pid_t launch_own_user(const struct passwd *pw, const int fds[3], const char *path, char *const *argv, char *const *env)
{
	(void)pw;
	(void)fds;
	(void)path;
	(void)argv;
	(void)env;
	return -EPERM;
}

int launch_exit_code(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

struct streams {
	int child[3];
	int ours[3];
};

static void close_streams(struct streams *s, bool ours)
{
	for (int i = 0; i < 3; i++) {
		if (s->child[i] >= 0)
			close(s->child[i]);
		if (ours && s->ours[i] >= 0)
			close(s->ours[i]);
	}
}

/* stdin is a socket, because a program may ask to use it in both directions (ref: runtime.md 3.5, SIGUSR1). */
static int open_streams(struct streams *s, enum launch_streams streams)
{
	int pair[2];

	*s = (struct streams){{-1, -1, -1}, {-1, -1, -1}};
	if (streams == LAUNCH_DETACHED) {
		for (int i = 0; i < 3; i++)
			s->child[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
		return s->child[2] < 0 ? -errno : 0;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	s->child[0] = pair[0];
	s->ours[0] = pair[1];
	if (streams == LAUNCH_OWN_STDERR && (s->child[2] = fcntl(2, F_DUPFD_CLOEXEC, 3)) < 0)
		return -errno;
	for (int i = 1; i < 3 && s->child[i] < 0; i++) {
		if (pipe2(pair, O_CLOEXEC) < 0)
			return -errno;
		s->child[i] = pair[1];
		s->ours[i] = pair[0];
	}
	/* So that program and agent run at the same time, not in turns. Refused to users who have many: then it is as it was. */
	fcntl(s->ours[1], F_SETPIPE_SZ, STDOUT_PIPE);
	return 0;
}

/*
 * In the child, also of a vfork: nothing but system calls. No descriptor of ours is below 3, so none is overwritten
 * before its turn.
 */
void launch_exec(const int fds[3], const char *cwd, const char *path, char *const *argv, char *const *env)
{
	sigset_t none;

	sigemptyset(&none);
	for (int i = 0; i < 3; i++)
		if (dup2(fds[i], i) < 0)
			_exit(QREXEC_EXIT_PROBLEM);
	/* Not all that the Xen libraries open is close-on-exec. */
	close_range(3, ~0U, 0);
	setsid();
	if (cwd && chdir(cwd) < 0 && chdir("/") < 0)
		_exit(QREXEC_EXIT_PROBLEM);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(path, argv, env);
	_exit(errno == ENOENT ? QREXEC_EXIT_NOT_FOUND : QREXEC_EXIT_PROBLEM);
}

#pragma GCC diagnostic push
#if defined(__clang__)
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#endif
static pid_t start_plain(const int fds[3], const char *cwd, const char *path, char *const *argv, char *const *env)
{
	pid_t pid = vfork();

	if (pid == 0) {
		launch_usual_files();
		launch_exec(fds, cwd, path, argv, env);
	}
	return pid;
}
#pragma GCC diagnostic pop

/* Login variables for root's own commands; a session gets its own in session.c. */
static void add_login(struct strv *env, const struct passwd *pw)
{
	strv_pushf(env, "HOME=%s", pw->pw_dir);
	strv_pushf(env, "SHELL=%s", pw->pw_shell);
	strv_pushf(env, "USER=%s", pw->pw_name);
	strv_pushf(env, "LOGNAME=%s", pw->pw_name);
	if (!getenv("PATH"))
		strv_push(env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
}

struct program {
	const char *path;
	char *shell_name; /* "-bash" */
	struct strv argv;
};

static void choose_program(const struct command *c, const struct service *service, const struct passwd *pw,
                           struct program *p)
{
	const char *slash;

	if (service) {
		p->path = service->path;
		strv_push(&p->argv, service->path);
		if (*c->argument)
			strv_push(&p->argv, c->argument);
		return;
	}
	/* A command line is one for a shell: the login shell of the user, or plain sh when we are nobody special. */
	p->path = pw ? pw->pw_shell : "/bin/sh";
	slash = strrchr(p->path, '/');
	strv_pushf(&p->argv, "%s%s", pw ? "-" : "", slash ? slash + 1 : p->path);
	strv_push(&p->argv, "-c");
	strv_push(&p->argv, c->line);
}

static int start_program(const struct command *c, const struct service *service, const struct streams *s, pid_t *pid,
                         const char **why)
{
	const char *user = service && service->force_user ? service->force_user : c->user;
	_cleanup_strv_ struct strv env = {0};
	_cleanup_(strv_free) struct strv argv = {0};
	struct passwd *pw = NULL;
	struct program p = {0};

	*why = "no such user";
	if (open_session && own_uid == 0 && (pw = getpwnam(user)) == NULL)
		return QREXEC_EXIT_PROBLEM;
	*why = "only root can run commands of other users";
	if (open_session && own_uid != 0 && strcmp(user, own_name) != 0)
		return QREXEC_EXIT_PROBLEM;
	choose_program(c, service, pw, &p);
	argv = p.argv;
	command_environment(c, environ, &env);
	*why = "cannot start a process";
	if (pw && pw->pw_uid != 0) {
		*pid = open_session(pw, s->child, p.path, argv.v, env.v);
	} else {
		if (pw)
			add_login(&env, pw);
		*pid = start_plain(s->child, pw ? pw->pw_dir : NULL, p.path, argv.v, env.v);
	}
	return *pid < 0 ? QREXEC_EXIT_PROBLEM : 0;
}

static int connect_tcp(const char *host, const char *port)
{
	const struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
	};
	struct addrinfo *ai;
	_cleanup_close_ int fd = -1;
	int r;

	if (getaddrinfo(host, port, &hints, &ai))
		return -EINVAL;
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	r = fd < 0 || (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0 && errno != EINPROGRESS) ? -errno : 0;
	freeaddrinfo(ai);
	return r < 0 ? r : take_fd(&fd);
}

static int open_service_socket(const struct command *c, const struct service *s, struct launched *l, const char **why)
{
	int fd = s->kind == SERVICE_TCP ? connect_tcp(s->host, s->port) : socket_connect(s->path, SOCK_NONBLOCK);

	*why = "cannot connect to the service's socket";
	if (fd < 0)
		return QREXEC_EXIT_PROBLEM;
	l->in_fd = fd;
	l->connecting = true;
	/* What would have been the arguments of a program. */
	l->first = s->skip_descriptor ? NULL : c->line + strlen("QUBESRPC ");
	return 0;
}

int launch(const struct command *c, const struct service *service, enum launch_streams streams, struct launched *l,
	   const char **why)
{
	struct streams s;
	int r;

	*l = LAUNCHED_NOTHING;
	if (service && service->kind != SERVICE_PROGRAM)
		return open_service_socket(c, service, l, why);
	*why = "no descriptors left";
	r = open_streams(&s, streams) < 0 ? QREXEC_EXIT_PROBLEM : start_program(c, service, &s, &l->pid, why);
	close_streams(&s, r != 0);
	if (r == 0) {
		l->in_fd = s.ours[0];
		l->out_fd = s.ours[1];
		l->err_fd = s.ours[2];
	}
	return r;
}

void launched_attach(const struct launched *l, int code, struct transfer *t)
{
	if (l->connecting) {
		transfer_feed(t, l->first, l->first ? strlen(l->first) + 1 : 0, t->no_streams);
		transfer_connect(t, l->in_fd, QREXEC_EXIT_PROBLEM);
	} else {
		transfer_attach(t, l->in_fd, l->out_fd, l->err_fd);
	}
	/* Only that it was started is told for MSG_JUST_EXEC; a socket service has no exit code of its own. */
	if (code || t->no_streams || !l->pid)
		transfer_exited(t, code);
}
