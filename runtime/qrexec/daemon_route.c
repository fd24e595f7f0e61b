/* The way of a request: to whoever decides, to qubesd, to the target, and back. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/sys/log_file.h"
#include "common/sys/process.h"
#include "common/sys/socket.h"
#include "runtime/qrexec/daemon_request.h"

void request_refuse(struct daemon *d, struct request *r, const char *why)
{
	daemon_log(d, "%s -> %s: %.200s: %s", d->name, *r->target ? r->target : "@default", r->service, why);
	if (r->ident[0])
		daemon_send(d, MSG_SERVICE_REFUSED, r->ident, sizeof(r->ident), NULL, 0);
	memset(r->ident, 0, sizeof(r->ident));
	r->state = REQUEST_OVER;
}

/* From now on the request waits for this descriptor. */
static void wait_for(struct request *r, enum request_state state, int fd)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = fd;
	r->state = state;
	strbuf_reset(&r->in);
}

/* A new socket has room for any question of ours. */
static bool send_all(int fd, const char *p, size_t n)
{
	return send(fd, p, n, MSG_NOSIGNAL) == (ssize_t)n;
}

/* --- the decision --- */

static void execute_policy(struct daemon *d, struct request *r)
{
	const char *const argv[] = {d->policy_program, "--", d->name, r->target, r->service, NULL};
	int fds[2];
	struct process p = {.argv = argv, .null_stdin = 1};

	/* It has no way to be told of another source. */
	if (*r->source || pipe2(fds, O_CLOEXEC) < 0) {
		request_refuse(d, r, "denied: no policy daemon");
		return;
	}
	p.stdout_fd = fds[1];
	log_file_bound(d->log_path);
	r->pid = process_spawn(&p);
	close(fds[1]);
	if (r->pid < 0) {
		close(fds[0]);
		request_refuse(d, r, "denied: no policy daemon, and the policy program does not run");
		return;
	}
	wait_for(r, REQUEST_EXECUTED, fds[0]);
}

void request_ask(struct daemon *d, struct request *r)
{
	const struct policy_query q = {
		.source = d->name, .requested_source = r->source, .intended_target = r->target, .service = r->service};
	_cleanup_strbuf_ struct strbuf text = {0};
	int fd = socket_connect(arena_printf(r->a, "%s/policy.sock", d->socket_dir), SOCK_NONBLOCK);

	policy_query_write(&q, &text);
	if (fd >= 0 && send_all(fd, text.p, text.n)) {
		wait_for(r, REQUEST_ASKED, fd);
		return;
	}
	if (fd >= 0)
		close(fd);
	execute_policy(d, r);
}

/* --- the target --- */

static const char *caller_of(const struct daemon *d, const struct request *r)
{
	return r->answer.policy_source ? r->answer.policy_source : d->name;
}

static const char *service_of(const struct request *r)
{
	return r->answer.service ? r->answer.service : r->service;
}

/* A qrexec-client runs it and moves its streams; its call back to us (daemon_clients.c) names the ident. */
static void run_in_dom0(struct daemon *d, struct request *r)
{
	const char *asked = r->answer.requested_target;
	bool keyword = asked[0] == '@';
	const char *call = arena_printf(r->a, "%s,%s,%d", r->ident, caller_of(d, r), d->domid);
	const char *line = arena_printf(r->a, "%s:QUBESRPC %s %s %s %s", r->answer.user, service_of(r), caller_of(d, r),
	                                keyword ? "keyword" : "name", asked + keyword);
	const char *dir = arena_printf(r->a, "--socket-dir=%s", d->socket_dir);
	const char *const argv[] = {"qrexec-client", dir, "-c", call, "-d", "dom0", "--", line, NULL};
	struct process p = {.argv = argv, .null_stdin = 1};

	wait_for(r, REQUEST_IN_DOM0, -1);
	/* What it says on stderr is not counted by daemon_log(). */
	log_file_bound(d->log_path);
	r->pid = process_spawn(&p);
	if (r->pid < 0)
		request_refuse(d, r, "qrexec-client does not run");
}

static void not_removed(struct daemon *d, struct request *r)
{
	daemon_log(d, "%s: the disposable is not removed; qvm-kill it", r->place);
	r->state = REQUEST_OVER;
}

static void ask_qubesd(struct daemon *d, struct request *r, enum request_state state, const char *method, const char *target,
                       const char *payload)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	int fd = socket_connect(d->qubesd_socket, SOCK_NONBLOCK);

	strbuf_printf(&text, "%s dom0 name %s", method, target);
	strbuf_add_char(&text, '\0');
	strbuf_add_str(&text, payload);
	if (fd >= 0 && send_all(fd, text.p, text.n) && shutdown(fd, SHUT_WR) == 0) {
		wait_for(r, state, fd);
		return;
	}
	if (fd >= 0)
		close(fd);
	if (state == REQUEST_KILLING)
		not_removed(d, r);
	else
		request_refuse(d, r, "qubesd is not there to start the target");
}

static void start_target(struct daemon *d, struct request *r)
{
	r->started = true;
	ask_qubesd(d, r, REQUEST_STARTING, "admin.vm.Start", r->place, "");
}

/* By UUID when there is a link for it, which a qube that took over the name cannot have. */
static int connect_target(struct daemon *d, struct request *r)
{
	int fd = socket_connect(arena_printf(r->a, "%s/qrexec.%s", d->socket_dir, r->place), SOCK_NONBLOCK);

	if (fd == -ENOENT && !r->disposable && r->answer.target_uuid)
		fd = socket_connect(arena_printf(r->a, "%s/qrexec.%s", d->socket_dir, r->answer.target), SOCK_NONBLOCK);
	return fd;
}

/* A disposable that was made for the call goes with it. */
static void refuse_target(struct daemon *d, struct request *r, const char *why)
{
	request_refuse(d, r, why);
	if (r->disposable)
		request_call_over(d, r);
}

static void call_target(struct daemon *d, struct request *r)
{
	const struct peer_info hello = {QREXEC_SOCKET_VERSION};
	const struct exec_params where = {(uint32_t)d->domid, 0};
	int fd = connect_target(d, r);
	const char *line;

	if ((fd == -ENOENT || fd == -ECONNREFUSED) && r->answer.autostart && !r->started) {
		start_target(d, r);
		return;
	}
	if (fd < 0) {
		refuse_target(d, r, "the target does not run");
		return;
	}
	line = arena_printf(r->a, "%s:QUBESRPC %s %s", r->answer.user, service_of(r), caller_of(d, r));
	wait_for(r, REQUEST_CALLING, fd);
	channel_init_fd(&r->channel, fd);
	channel_send(&r->channel, MSG_HELLO, &hello, sizeof(hello), NULL, 0);
	channel_send(&r->channel, MSG_EXEC_CMDLINE, &where, sizeof(where), line, strlen(line) + 1);
}

static void create_disposable(struct daemon *d, struct request *r)
{
	static const char prefix[] = "@dispvm:";
	const char *uuid = r->answer.target_uuid;
	bool by_uuid = uuid && strncmp(uuid, prefix, sizeof(prefix) - 1) == 0;

	if (!r->answer.autostart) {
		request_refuse(d, r, "a disposable would have to be started");
		return;
	}
	ask_qubesd(d, r, REQUEST_CREATING, "admin.vm.CreateDisposable", (by_uuid ? uuid : r->answer.target) + sizeof(prefix) - 1,
	           by_uuid ? "uuid" : "");
}

void request_policy_answered(struct daemon *d, struct request *r)
{
	const char *target;

	if (r->state == REQUEST_ASKED && !r->in.n) {
		execute_policy(d, r);
		return;
	}
	if (!policy_answer_parse(strbuf_blob(&r->in), r->a, &r->answer)) {
		request_refuse(d, r, "denied: the policy's answer is malformed");
		return;
	}
	target = r->answer.target;
	if (!r->answer.allow) {
		request_refuse(d, r, "denied");
	} else if (is_dom0(target)) {
		run_in_dom0(d, r);
	} else if (strncmp(target, "@dispvm:", 8) == 0) {
		create_disposable(d, r);
	} else {
		r->place = r->answer.target_uuid ? r->answer.target_uuid : target;
		if (strchr(target, '/') || strchr(r->place, '/'))
			request_refuse(d, r, "denied: the policy's answer names no qube");
		else
			call_target(d, r);
	}
}

static bool is_error(const struct request *r, const char *type)
{
	size_t n = strlen(type) + 1;

	return r->in.n >= 2 + n && r->in.p[0] == '2' && !r->in.p[1] && memcmp(r->in.p + 2, type, n) == 0;
}

void request_qubesd_answered(struct daemon *d, struct request *r)
{
	bool ok = r->in.n >= 2 && r->in.p[0] == '0' && !r->in.p[1];

	if (r->state == REQUEST_KILLING && !ok) {
		not_removed(d, r);
	} else if (r->state == REQUEST_KILLING) {
		r->state = REQUEST_OVER;
	} else if (r->state == REQUEST_CREATING && ok && r->in.n > 2 && !memchr(r->in.p + 2, '/', r->in.n - 2)) {
		r->disposable = true;
		r->place = arena_strndup(r->a, r->in.p + 2, r->in.n - 2);
		if (r->ident[0])
			start_target(d, r);
		else
			request_call_over(d, r);
	} else if (r->state == REQUEST_STARTING && (ok || is_error(r, "QubesVMNotHaltedError"))) {
		if (r->ident[0])
			call_target(d, r);
		else
			request_call_over(d, r);
	} else {
		request_refuse(d, r, "the target does not start; qubesd knows why");
	}
}

/* --- the call --- */

void request_step_call(struct daemon *d, struct request *r)
{
	struct exec_params where;
	struct message m;
	int got;

	while ((got = channel_read(&r->channel, &m)) > 0 && m.type == MSG_HELLO)
		;
	if (got == 0)
		return;
	if (got < 0 || m.type != MSG_EXEC_CMDLINE || m.n < sizeof(where)) {
		channel_free(&r->channel);
		refuse_target(d, r, "the target's daemon does not take the call");
		return;
	}
	memcpy(&where, m.p, sizeof(where));
	channel_free(&r->channel);
	daemon_send(d, MSG_SERVICE_CONNECT, &where, sizeof(where), r->ident, sizeof(r->ident));
	memset(r->ident, 0, sizeof(r->ident));
	/* The target's daemon closes the connection at the end of the call. */
	r->state = r->disposable ? REQUEST_RUNNING : REQUEST_OVER;
}

void request_call_over(struct daemon *d, struct request *r)
{
	/* One that has been started goes when it is halted. */
	ask_qubesd(d, r, REQUEST_KILLING, r->started ? "admin.vm.Kill" : "admin.vm.Remove", r->place, "");
}

void request_abandon(struct daemon *d, struct request *r)
{
	memset(r->ident, 0, sizeof(r->ident));
	switch (r->state) {
	case REQUEST_CREATING:
	case REQUEST_RUNNING:
	case REQUEST_KILLING:
		return;
	case REQUEST_STARTING:
		if (r->disposable)
			return;
		break;
	case REQUEST_CALLING:
		channel_free(&r->channel);
		if (r->disposable) {
			request_call_over(d, r);
			return;
		}
		break;
	case REQUEST_ASKED:
	case REQUEST_EXECUTED:
	case REQUEST_IN_DOM0:
	case REQUEST_OVER:
		break;
	}
	/* Who is asked notices that nobody listens any more. */
	wait_for(r, REQUEST_OVER, -1);
}
