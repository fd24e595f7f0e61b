/* Calls that want the user's session: waiting for it, and the fork server in it, which runs them with the session's environment. */
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/socket.h"
#include "runtime/qrexec/agent.h"
#include "runtime/qrexec/launch.h"

static const char *user_of(const struct call *c)
{
	return c->service.force_user ? c->service.force_user : c->command.user;
}

/* qubes.WaitForSession as that user, whose name it reads. 0: there is none, or it cannot be run. */
static pid_t start_wait(const char *user)
{
	_cleanup_free_ char *text = xasprintf("%s:QUBESRPC qubes.WaitForSession dom0", user);
	struct command command;
	struct service service = {0};
	struct launched l = LAUNCHED_NOTHING;
	const char *why = "malformed user name";
	int code = command_parse(text, &command) == 0 ? service_find(&command, &service, &why) : QREXEC_EXIT_PROBLEM;

	if (code == 0)
		code = launch(&command, &service, LAUNCH_STREAMS, &l, &why);
	if (code)
		agent_log("qubes.WaitForSession: %s", why);
	else if (l.in_fd >= 0 && send(l.in_fd, user, strlen(user), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		agent_log("qubes.WaitForSession: %s", strerror(errno));
	if (l.in_fd >= 0)
		close(l.in_fd);
	if (l.out_fd >= 0)
		close(l.out_fd);
	if (l.err_fd >= 0)
		close(l.err_fd);
	command_free(&command);
	service_free(&service);
	return l.pid;
}

static bool wait_for_session(struct agent *a, struct call *c)
{
	struct session_wait *w;

	if (!c->service.wait_for_session || c->command.nogui || c->code)
		return false;
	for (w = a->waits; w && strcmp(w->user, user_of(c)) != 0; w = w->next)
		;
	if (!w) {
		pid_t pid = start_wait(user_of(c));

		if (pid <= 0)
			return false;
		w = xcalloc(1, sizeof(*w));
		*w = (struct session_wait){a->waits, xstrdup(user_of(c)), pid};
		a->waits = w;
	}
	c->waits_for_session = true;
	return true;
}

static void reap(struct agent *a, pid_t pid)
{
	struct session_wait **at = &a->waits, *w;

	while (*at && (*at)->pid != pid)
		at = &(*at)->next;
	w = *at;
	if (!w)
		return;
	*at = w->next;
	for (struct call *c = a->calls; c; c = c->next) {
		if (!c->waits_for_session || strcmp(w->user, user_of(c)) != 0)
			continue;
		c->waits_for_session = false;
		agent_call_connect(a, c);
	}
	free(w->user);
	free(w);
}

/* Only who is that user, or root, may get a call of that user. */
static bool is_run_by(int fd, const char *user)
{
	const struct passwd *pw = getpwnam(user);
	struct ucred peer;
	socklen_t n = sizeof(peer);

	return pw && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 && (peer.uid == pw->pw_uid || peer.uid == 0);
}

static int connect_fork_server(const struct agent *a, const char *user)
{
	const char *mark = strstr(a->fork_server, "%s");
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *path = NULL;

	if (!mark || strchr(user, '/'))
		return -EINVAL;
	path = xasprintf("%.*s%s%s", (int)(mark - a->fork_server), a->fork_server, user, mark + 2);
	fd = socket_connect(path, SOCK_NONBLOCK);
	if (fd >= 0 && !is_run_by(fd, user)) {
		agent_log("%s: belongs to somebody else, not used", path);
		return -EPERM;
	}
	return take_fd(&fd);
}

static bool hand_over(struct agent *a, struct call *c)
{
	const struct fork_request request = {
		.type = c->just_exec ? MSG_JUST_EXEC : MSG_EXEC_CMDLINE,
		.connect_domain = (int32_t)c->where.connect_domain,
		.connect_port = (int32_t)c->where.connect_port,
		.command_n = (uint32_t)strlen(c->text) + 1,
	};
	_cleanup_close_ int fd = -1;

	if (!a->fork_server || c->command.nogui || c->service.skip_descriptor || c->service.exit_on_client_eof ||
	    c->service.exit_on_service_eof)
		return false;
	fd = connect_fork_server(a, user_of(c));
	/* A new socket has room for it; if not, that server is not to be trusted with the call. */
	if (fd < 0 || send(fd, &request, sizeof(request), MSG_NOSIGNAL | MSG_MORE) != (ssize_t)sizeof(request) ||
	    send(fd, c->text, request.command_n, MSG_NOSIGNAL) != (ssize_t)request.command_n)
		return false;
	c->handed_fd = take_fd(&fd);
	return true;
}

const struct session_ops agent_session = {wait_for_session, reap, hand_over};
