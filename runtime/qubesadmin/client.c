#include "runtime/qubesadmin/include/qubesadmin.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "common/sys/socket.h"

static const char default_socket[] = "/var/run/qubesd.sock", remote_client[] = "qrexec-client-vm";

enum {
	ANSWER_MAX = 64 << 20,
	QUERIES_MAX = 64, /* under way at once: well below what qubesd takes */
	REMOTE_MAX = 8,	  /* of those by qrexec, each of which is a few processes */
};

/* A call under way: where its answer comes from, and the process that brings it, or 0. */
struct exchange {
	int fd; /* or -errno */
	pid_t pid;
};

bool admin_is_remote(const struct admin *a)
{
	return !a->socket && access(default_socket, F_OK) < 0;
}

/* A daemon that refuses closes at once; its answer, if any, is still there to read. */
static int send_all(int fd, struct blob data)
{
	int r = socket_send_all(fd, data.p, data.n);

	return r == -EPIPE ? 0 : r;
}

static int send_request(const struct admin *a, struct blob request)
{
	_cleanup_close_ int fd = socket_connect(a->socket ? a->socket : default_socket, 0);
	int r = fd < 0 ? fd : send_all(fd, request);

	if (r < 0)
		return r;
	shutdown(fd, SHUT_WR);
	return take_fd(&fd);
}

int admin_raw(const struct admin *a, struct blob request, struct strbuf *out)
{
	_cleanup_close_ int fd = send_request(a, request);

	return fd < 0 ? fd : read_fd(fd, ANSWER_MAX, out);
}

static void add_method(struct strbuf *s, const char *method, const char *argument)
{
	strbuf_printf(s, "%s%s%s", method, argument ? "+" : "", argument ? argument : "");
}

static int open_local(const struct admin *a, const char *dest, const char *method, const char *argument,
		      struct blob payload)
{
	_cleanup_strbuf_ struct strbuf request = {0};

	add_method(&request, method, argument);
	strbuf_printf(&request, " dom0 name %s", dest);
	strbuf_add_char(&request, 0);
	strbuf_add(&request, payload.n ? payload.p : "", payload.n);
	return send_request(a, strbuf_blob(&request));
}

/* One socket is stdin and stdout of the client, so that either way it looks the same to the caller. */
static struct exchange spawn_remote(const char *dest, const char *method, const char *argument)
{
	_cleanup_strbuf_ struct strbuf service = {0};
	_cleanup_close_ int ours = -1, theirs = -1;
	const char *argv[] = {remote_client, "--", dest, NULL, NULL};
	pid_t pid;
	int fds[2];

	add_method(&service, method, argument);
	argv[3] = service.p;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return (struct exchange){-errno, 0};
	ours = fds[0];
	theirs = fds[1];
	pid = process_spawn(&(struct process){.argv = argv, .stdin_fd = theirs, .stdout_fd = theirs});
	return pid < 0 ? (struct exchange){(int)pid, 0} : (struct exchange){take_fd(&ours), pid};
}

static struct exchange exchange_open(const struct admin *a, const char *dest, const char *method, const char *argument,
				     struct blob payload)
{
	struct exchange x;

	if (!admin_is_remote(a))
		return (struct exchange){open_local(a, dest, method, argument, payload), 0};
	x = spawn_remote(dest, method, argument);
	if (x.fd >= 0) {
		send_all(x.fd, payload);
		shutdown(x.fd, SHUT_WR);
	}
	return x;
}

/* Reads the answer up to its end. A client that failed has said why; there is no answer then. */
static int exchange_end(struct exchange *x, struct strbuf *answer)
{
	_cleanup_close_ int fd = x->fd;
	int r = fd < 0 ? fd : read_fd(fd, ANSWER_MAX, answer);
	int status = x->pid ? process_wait(x->pid) : 0;

	/* It ended with what we sent unread. */
	if (x->pid && r == -ECONNRESET)
		r = 0;
	return r < 0 ? r : status < 0 ? status : status ? -ECONNABORTED : 0;
}

/* Text of a qube may be in it: nothing that a terminal would act on. */
static char *printable(struct blob text)
{
	char *copy = blob_dup(text);
	char *to = copy;

	for (const char *p = copy; *p; p++) {
		if (p[0] == '%' && p[1] == '%')
			p++;
		*to++ = (unsigned char)*p < 0x20 || *p == 0x7f ? '_' : *p;
	}
	*to = 0;
	return copy;
}

static int take_exception(struct blob answer, struct admin_error *err)
{
	struct blob type, trace, message;

	if (!blob_token(&answer, 0, &type) || !blob_token(&answer, 0, &trace) ||
	    !blob_token(&answer, 0, &message))
		return -EBADMSG;
	admin_error_free(err);
	err->type = printable(type);
	err->message = printable(message);
	return -EREMOTEIO;
}

/* The frame of an answer: its data, or the exception. */
static int take_answer(struct blob answer, struct strbuf *out, struct admin_error *err)
{
	if (answer.n < 2 || answer.p[1])
		return -ECONNABORTED;
	if (answer.p[0] == '2')
		return take_exception((struct blob){answer.p + 2, answer.n - 2}, err);
	if (answer.p[0] != '0')
		return -EBADMSG;
	if (out)
		strbuf_add(out, answer.p + 2, answer.n - 2);
	return 0;
}

static int exchange_result(struct exchange *x, struct strbuf *out, struct admin_error *err)
{
	_cleanup_strbuf_ struct strbuf answer = {0};
	int r = exchange_end(x, &answer);

	return r < 0 ? r : take_answer(strbuf_blob(&answer), out, err);
}

int admin_call(const struct admin *a, const char *dest, const char *method, const char *argument,
	       struct blob payload, struct strbuf *out, struct admin_error *err)
{
	struct exchange x = exchange_open(a, dest, method, argument, payload);

	return exchange_result(&x, out, err);
}

/* 0 or -errno of reading; who does not take it all has an answer that says why. */
static int send_from(int to, int from)
{
	char buf[1 << 16];

	for (;;) {
		ssize_t n = read(from, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		if (send_all(to, (struct blob){buf, (size_t)n}) < 0)
			return 0;
	}
}

int admin_call_from(const struct admin *a, const char *dest, const char *method, const char *argument,
		    struct blob payload, int fd, struct strbuf *out, struct admin_error *err)
{
	struct exchange x;
	int r = admin_is_remote(a) ? 0 : -ENOTSUP, end;

	if (r < 0)
		return r;
	x = spawn_remote(dest, method, argument);
	if (x.fd >= 0) {
		send_all(x.fd, payload);
		r = send_from(x.fd, fd);
		shutdown(x.fd, SHUT_WR);
	}
	end = exchange_result(&x, out, err);
	return r < 0 ? r : end;
}

void admin_call_each(const struct admin *a, const char *method, const char *argument, struct admin_query *v, size_t n)
{
	size_t most = admin_is_remote(a) ? REMOTE_MAX : QUERIES_MAX;

	for (size_t first = 0; first < n; first += most) {
		size_t count = n - first < most ? n - first : most;
		struct exchange x[QUERIES_MAX];

		for (size_t i = 0; i < count; i++)
			x[i] = exchange_open(a, v[first + i].dest, method, argument, (struct blob){0});
		for (size_t i = 0; i < count; i++)
			v[first + i].r = exchange_result(&x[i], &v[first + i].out, &v[first + i].err);
	}
}

void admin_query_free(struct admin_query *q)
{
	strbuf_free(&q->out);
	admin_error_free(&q->err);
}

int admin_events(const struct admin *a, const char *dest)
{
	return exchange_open(a, dest, "admin.Events", NULL, (struct blob){0}).fd;
}

void admin_error_free(struct admin_error *err)
{
	free(err->type);
	free(err->message);
	*err = (struct admin_error){0};
}
