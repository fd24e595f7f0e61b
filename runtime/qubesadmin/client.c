#include "runtime/qubesadmin/include/qubesadmin.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/socket.h"

enum {
	ANSWER_MAX = 64 << 20,
	QUERIES_MAX = 64, /* under way at once: well below what qubesd takes */
};

static int admin_connect(const struct admin *a)
{
	return socket_connect(a->socket ? a->socket : "/var/run/qubesd.sock", 0);
}

static int send_request(const struct admin *a, struct blob request)
{
	_cleanup_close_ int fd = admin_connect(a);

	if (fd < 0)
		return fd;
	/* A daemon that refuses closes at once; its answer, if any, is still there to read. */
	if (send(fd, request.p, request.n, MSG_NOSIGNAL) < 0 && errno != EPIPE)
		return -errno;
	shutdown(fd, SHUT_WR);
	return take_fd(&fd);
}

int admin_raw(const struct admin *a, struct blob request, struct strbuf *out)
{
	_cleanup_close_ int fd = send_request(a, request);

	return fd < 0 ? fd : read_fd(fd, ANSWER_MAX, out);
}

static void add_header(struct strbuf *s, const char *dest, const char *method, const char *argument)
{
	strbuf_printf(s, "%s%s%s dom0 name %s", method, argument ? "+" : "",
		      argument ? argument : "", dest);
	strbuf_add_char(s, 0);
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

int admin_call(const struct admin *a, const char *dest, const char *method, const char *argument,
	       struct blob payload, struct strbuf *out, struct admin_error *err)
{
	_cleanup_strbuf_ struct strbuf request = {0};
	_cleanup_strbuf_ struct strbuf answer = {0};
	int r;

	add_header(&request, dest, method, argument);
	if (payload.n)
		strbuf_add(&request, payload.p, payload.n);
	r = admin_raw(a, strbuf_blob(&request), &answer);
	return r < 0 ? r : take_answer(strbuf_blob(&answer), out, err);
}

/* Sends to as many as may be under way; fds[i] is a descriptor or -errno. */
static void ask_all(const struct admin *a, const char *method, const char *argument, const struct admin_query *v,
		    size_t n, int *fds)
{
	for (size_t i = 0; i < n; i++) {
		_cleanup_strbuf_ struct strbuf request = {0};

		add_header(&request, v[i].dest, method, argument);
		fds[i] = send_request(a, strbuf_blob(&request));
	}
}

void admin_call_each(const struct admin *a, const char *method, const char *argument, struct admin_query *v, size_t n)
{
	for (size_t first = 0; first < n; first += QUERIES_MAX) {
		size_t count = n - first < QUERIES_MAX ? n - first : QUERIES_MAX;
		int fds[QUERIES_MAX];

		ask_all(a, method, argument, v + first, count, fds);
		for (size_t i = 0; i < count; i++) {
			_cleanup_strbuf_ struct strbuf answer = {0};
			_cleanup_close_ int fd = fds[i];
			struct admin_query *q = &v[first + i];

			q->r = fd < 0 ? fd : read_fd(fd, ANSWER_MAX, &answer);
			if (q->r >= 0)
				q->r = take_answer(strbuf_blob(&answer), &q->out, &q->err);
		}
	}
}

void admin_query_free(struct admin_query *q)
{
	strbuf_free(&q->out);
	admin_error_free(&q->err);
}

int admin_events(const struct admin *a, const char *dest)
{
	_cleanup_strbuf_ struct strbuf request = {0};
	_cleanup_close_ int fd = -1;

	add_header(&request, dest, "admin.Events", NULL);
	fd = send_request(a, strbuf_blob(&request));
	return fd < 0 ? fd : take_fd(&fd);
}

void admin_error_free(struct admin_error *err)
{
	free(err->type);
	free(err->message);
	*err = (struct admin_error){0};
}
