#include "runtime/qubesdb/include/qubesdb-client.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/base/strbuf.h"
#include "common/base/strv.h"
#include "common/sys/file.h"
#include "common/sys/socket.h"
#include "runtime/qubesdb/protocol.h"

/*
 * Watches have a connection of their own, so that qdb_watch_fd() is readable exactly when there is
 * an event and never because of an answer; events that arrive while a watch is set are kept in
 * `events`.
 */
struct qdb_handle {
	char *path;
	int fd, watch_fd;
	struct strv events;
};

/* As the interface has it: -1 with errno. */
static int connect_to(const char *path)
{
	int fd = socket_connect(path, 0);

	if (fd >= 0)
		return fd;
	errno = -fd;
	return -1;
}

qdb_handle_t qdb_open_dir(const char *dir, const char *vmname)
{
	const char *dot = vmname ? "." : "";

	if (!vmname)
		vmname = "";
	if (strchr(vmname, '/')) {
		errno = EINVAL;
		return NULL;
	}

	char *path = xasprintf("%s/qubesdb%s%s.sock", dir, dot, vmname);
	int fd = connect_to(path);
	if (fd < 0 && errno == EACCES) {
		free(path);
		path = xasprintf("%s/qubesdb%s%s.ro.sock", dir, dot, vmname);
		fd = connect_to(path);
	}
	if (fd < 0) {
		free(path);
		return NULL;
	}

	struct qdb_handle *h = xcalloc(1, sizeof(*h));
	*h = (struct qdb_handle){.path = path, .fd = fd, .watch_fd = -1};
	return h;
}

qdb_handle_t qdb_open(const char *vmname)
{
	return qdb_open_dir("/var/run/qubes", vmname);
}

void qdb_close(qdb_handle_t h)
{
	if (!h)
		return;
	close(h->fd);
	if (h->watch_fd >= 0)
		close(h->watch_fd);
	strv_free(&h->events);
	free(h->path);
	free(h);
}

static int send_request(int fd, enum qdb_type type, const char *path, struct blob data)
{
	struct qdb_header header;
	_cleanup_strbuf_ struct strbuf message = {0};

	if (strlen(path) >= QDB_PATH_MAX || data.n > QDB_DATA_MAX)
		return -EINVAL;
	header = qdb_header_make(type, path, data.n);
	strbuf_add(&message, &header, sizeof(header));
	strbuf_add(&message, data.p, data.n);
	return socket_send_all(fd, message.p, message.n);
}

/* Reads one message; *data (may be NULL) gets the value with a NUL behind it. */
static int receive(int fd, struct qdb_header *header, char **data)
{
	int r = read_full(fd, header, sizeof(*header));

	if (r < 0)
		return r;
	if (!qdb_path_valid(header->path) || header->data_len > QDB_DATA_MAX)
		return -EPROTO;

	_cleanup_free_ char *value = xcalloc(1, (size_t)header->data_len + 1);
	r = read_full(fd, value, header->data_len);
	if (r < 0)
		return r;
	if (data)
		*data = take_ptr(value);
	return 0;
}

static int result_of(const struct qdb_header *header, enum qdb_type wanted)
{
	if (header->type == wanted)
		return 0;
	return header->type == QDB_RESP_ERROR_NOENT ? -ENOENT
	       : header->type == QDB_RESP_ERROR	    ? -EINVAL
						    : -EPROTO;
}

static int request(int fd, enum qdb_type type, const char *path, struct blob data,
		   enum qdb_type wanted, struct qdb_header *header, char **value)
{
	int r = send_request(fd, type, path, data);

	if (!r)
		r = receive(fd, header, value);
	return r ? r : result_of(header, wanted);
}

/* 1, or 0 with errno set: how this interface reports. */
static int succeeded(int r)
{
	if (r < 0)
		errno = -r;
	return r >= 0;
}

char *qdb_read(qdb_handle_t h, const char *path, unsigned int *value_len)
{
	struct qdb_header header;
	_cleanup_free_ char *value = NULL;

	if (!succeeded(request(h->fd, QDB_READ, path, BLOB(""), QDB_RESP_READ, &header, &value)))
		return NULL;
	if (value_len)
		*value_len = header.data_len;
	return take_ptr(value);
}

static void lengths_add(unsigned int **lengths, size_t n, unsigned int length)
{
	if (!(n & (n - 1))) /* 0 and powers of two: room for twice as many */
		*lengths = xreallocarray(*lengths, n ? n * 2 : 1, sizeof(**lengths));
	(*lengths)[n] = length;
}

/* Collects an answer of many messages: paths, and values with their lengths when `lengths` is
 * given. */
static int enumerate(qdb_handle_t h, enum qdb_type type, const char *path, struct strv *out,
		     unsigned int **lengths)
{
	enum qdb_type wanted = type == QDB_LIST ? QDB_RESP_LIST : QDB_RESP_MULTIREAD;
	int r = send_request(h->fd, type, path, BLOB(""));

	for (size_t n = 0; !r; n++) {
		struct qdb_header header;
		_cleanup_free_ char *value = NULL;

		r = receive(h->fd, &header, &value);
		if (!r)
			r = result_of(&header, wanted);
		if (r || !header.path[0])
			break;
		strv_push(out, header.path);
		if (lengths) {
			strv_push_take(out, take_ptr(value));
			lengths_add(lengths, n, header.data_len);
		}
	}
	return r;
}

/* The array with `nulls` NULLs behind it, now the caller's. */
static char **take_list(struct strv *list, size_t nulls)
{
	char **v = xreallocarray(list->v, list->n + nulls, sizeof(*v));

	for (size_t i = 0; i < nulls; i++)
		v[list->n + i] = NULL;
	*list = (struct strv){0};
	return v;
}

char **qdb_list(qdb_handle_t h, const char *path, unsigned int *list_len)
{
	_cleanup_strv_ struct strv list = {0};

	if (!succeeded(enumerate(h, QDB_LIST, path, &list, NULL)))
		return NULL;
	if (list_len)
		*list_len = (unsigned int)list.n;
	return take_list(&list, 1);
}

char **qdb_multiread(qdb_handle_t h, const char *path, unsigned int **values_len,
		     unsigned int *list_len)
{
	_cleanup_strv_ struct strv list = {0};
	_cleanup_free_ unsigned int *lengths = NULL;

	if (!succeeded(enumerate(h, QDB_MULTIREAD, path, &list, &lengths)))
		return NULL;
	if (values_len)
		*values_len = lengths ? take_ptr(lengths) : xcalloc(1, sizeof(*lengths));
	if (list_len)
		*list_len = (unsigned int)(list.n / 2);
	return take_list(&list, 2);
}

int qdb_write(qdb_handle_t h, const char *path, const char *value, unsigned int value_len)
{
	struct qdb_header header;

	return succeeded(request(h->fd, QDB_WRITE, path, (struct blob){value, value_len},
				 QDB_RESP_OK, &header, NULL));
}

int qdb_rm(qdb_handle_t h, const char *path)
{
	struct qdb_header header;

	return succeeded(request(h->fd, QDB_RM, path, BLOB(""), QDB_RESP_OK, &header, NULL));
}

static int watch_request(qdb_handle_t h, enum qdb_type type, const char *path)
{
	struct qdb_header header;
	int r;

	if (h->watch_fd < 0)
		h->watch_fd = connect_to(h->path);
	if (h->watch_fd < 0)
		return -errno;
	r = send_request(h->watch_fd, type, path, BLOB(""));
	while (!r) {
		r = receive(h->watch_fd, &header, NULL);
		if (r || header.type != QDB_RESP_WATCH)
			break;
		strv_push(&h->events, header.path);
	}
	return r ? r : result_of(&header, QDB_RESP_OK);
}

int qdb_watch(qdb_handle_t h, const char *path)
{
	return succeeded(watch_request(h, QDB_WATCH, path));
}

int qdb_unwatch(qdb_handle_t h, const char *path)
{
	return succeeded(watch_request(h, QDB_UNWATCH, path));
}

char *qdb_read_watch(qdb_handle_t h)
{
	struct qdb_header header;

	if (h->events.n) {
		char *path = h->events.v[0];

		memmove(h->events.v, h->events.v + 1, h->events.n * sizeof(char *));
		h->events.n--;
		return path;
	}
	if (h->watch_fd < 0) {
		errno = EBADF;
		return NULL;
	}
	int r = receive(h->watch_fd, &header, NULL);
	if (!succeeded(r ? r : result_of(&header, QDB_RESP_WATCH)))
		return NULL;
	return xstrdup(header.path);
}

int qdb_watch_fd(qdb_handle_t h)
{
	if (h->watch_fd < 0)
		h->watch_fd = connect_to(h->path);
	return h->watch_fd;
}
