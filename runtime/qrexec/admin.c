#include "runtime/qrexec/admin.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/sys/file.h"

static int connect_to(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = -1;

	if (strlen(path) >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	strcpy(a.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	return take_fd(&fd);
}

static int send_text(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t r = send(fd, p, n, MSG_NOSIGNAL);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

static int exchange(int fd, const char *method, const char *target, const char *payload, size_t max, struct strbuf *answer)
{
	_cleanup_strbuf_ struct strbuf request = {0};
	int r;

	strbuf_printf(&request, "%s dom0 name %s", method, target);
	strbuf_add_char(&request, '\0');
	if (payload)
		strbuf_add_str(&request, payload);
	r = send_text(fd, request.p, request.n);
	if (r == 0 && shutdown(fd, SHUT_WR) < 0)
		r = -errno;
	return r < 0 ? r : read_fd(fd, max + 2, answer);
}

/* TYPE NUL TRACEBACK NUL MESSAGE NUL ARGUMENT NUL... */
static int take_exception(struct blob rest, const char *method, struct strbuf *out, struct error *err)
{
	struct blob type = {0}, traceback, message = {0};

	blob_token(&rest, '\0', &type);
	blob_token(&rest, '\0', &traceback);
	blob_token(&rest, '\0', &message);
	strbuf_add(out, type.p, type.n);
	return error_set(err, -EREMOTEIO, method, NULL, "%.*s: %.*s", BLOB_ARG(type), BLOB_ARG(message));
}

int admin_call(const char *socket, const char *method, const char *target, const char *payload, size_t max,
	       struct strbuf *out, struct error *err)
{
	_cleanup_strbuf_ struct strbuf answer = {0};
	_cleanup_close_ int fd = connect_to(socket);
	int r;

	if (fd < 0)
		return error_errno(err, fd, socket, "cannot connect to qubesd");
	r = exchange(fd, method, target, payload, max, &answer);
	if (r < 0)
		return error_errno(err, r, method, "cannot talk to qubesd");
	if (answer.n >= 2 && answer.p[1] == '\0' && answer.p[0] == '0') {
		strbuf_add(out, answer.p + 2, answer.n - 2);
		return 0;
	}
	if (answer.n >= 2 && answer.p[1] == '\0' && answer.p[0] == '2')
		return take_exception((struct blob){answer.p + 2, answer.n - 2}, method, out, err);
	return error_set(err, -EPROTO, method, NULL, "qubesd refused the request");
}
