/*
 * qrexec's faces to a peer: framed control messages, the data channel in both roles, and the texts inside (commands, rpc-config,
 * /dev/tcp links). The vchan is played here: the input, in pieces whose sizes the input chooses; and so is a program that does not
 * always read.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "runtime/qrexec/channel.h"
#include "runtime/qrexec/command.h"
#include "runtime/qrexec/service.h"
#include "runtime/qrexec/transfer.h"

struct libvchan {
	const uint8_t *p;
	size_t n, piece;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int libvchan_read(libvchan_t *v, void *data, size_t size)
{
	if (!v->n)
		return -1;
	if (size > v->piece)
		size = v->piece;
	if (size > v->n)
		size = v->n;
	memcpy(data, v->p, size);
	v->p += size;
	v->n -= size;
	return (int)size;
}

int libvchan_write(libvchan_t *v, const void *data, size_t size)
{
	(void)data;
	/* Half of the time there is no room for all. */
	return (int)(v->n % 2 ? size : size / 2);
}

int libvchan_wait(libvchan_t *v)
{
	(void)v;
	return 0;
}

void libvchan_close(libvchan_t *v)
{
	(void)v;
}

int libvchan_fd_for_select(libvchan_t *v)
{
	(void)v;
	return -1;
}

int libvchan_is_open(libvchan_t *v)
{
	(void)v;
	return VCHAN_CONNECTED;
}

int libvchan_data_ready(libvchan_t *v)
{
	return (int)v->n;
}

void libvchan_set_blocking(libvchan_t *v, int blocking)
{
	(void)v;
	(void)blocking;
}

static void control(struct libvchan *v)
{
	struct channel c;
	struct message m;

	channel_init_vchan(&c, v);
	while (channel_read(&c, &m) > 0) {
		struct exec_params where;
		struct trigger t;
		struct command command;
		const char *text;

		if (exec_message_parse(m.p, m.n, &where, &text)) {
			command_parse(text, &command);
			command_free(&command);
		}
		if (trigger_parse(m.type, m.p, m.n, &t) && strlen(t.service) != t.service_n)
			abort();
	}
	channel_free(&c);
}

static void data_channel(struct libvchan *v, enum transfer_role role, bool attach_late)
{
	struct transfer t;

	transfer_init(&t, role, v, role == TRANSFER_SERVICE);
	if (!attach_late)
		transfer_attach(&t, -1, -1, -1);
	while (transfer_step(&t, NULL, 0) == TRANSFER_RUNNING) {
		if (transfer_ready(&t) && !t.attached)
			transfer_attach(&t, -1, -1, -1);
		if (!v->n && !transfer_busy(&t))
			break;
	}
	transfer_free(&t);
}

/* The other end of what comes in takes little at a time, every second time; there is no room for more than a few pieces. */
static void slow_program(struct libvchan *v, enum transfer_role role)
{
	struct pollfd p[TRANSFER_FDS];
	int ends[2], least = 1;
	bool reads = false;
	char taken[64];
	struct transfer t;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
		abort();
	setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
	transfer_init(&t, role, v, role == TRANSFER_SERVICE);
	transfer_attach(&t, ends[0], -1, -1);
	for (;;) {
		unsigned n = transfer_poll(&t, p);

		poll(p, n, 0);
		if (transfer_step(&t, p, n) != TRANSFER_RUNNING || (!v->n && transfer_drained(&t)))
			break;
		reads = !reads;
		if (reads && read(ends[1], taken, sizeof(taken)) < 0 && errno != EAGAIN)
			abort();
	}
	transfer_free(&t);
	close(ends[1]);
}

static void texts(const uint8_t *data, size_t n)
{
	char *text = xstrndup((const char *)data, n);
	struct command c;
	struct service s = {0};
	const char *why;

	command_parse(text, &c);
	command_free(&c);
	service_config_parse((const char *)data, n, &s, &why);
	service_free(&s);
	if (strncmp(text, "/dev/tcp", 8) == 0)
		service_tcp_parse(text, NULL, &s, &why);
	service_free(&s);
	service_tcp_parse("/dev/tcp", text, &s, &why);
	service_free(&s);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct libvchan v;

	if (n < 2)
		return 0;
	v = (struct libvchan){data + 2, n - 2, data[1] + 1u};
	switch (data[0] % 8) {
	case 0:
		control(&v);
		break;
	case 1:
		data_channel(&v, TRANSFER_SERVICE, false);
		break;
	case 2:
		data_channel(&v, TRANSFER_SERVICE, true);
		break;
	case 3:
		data_channel(&v, TRANSFER_INITIATOR, false);
		break;
	case 4:
		slow_program(&v, TRANSFER_SERVICE);
		break;
	case 5:
		slow_program(&v, TRANSFER_INITIATOR);
		break;
	default:
		texts(data + 2, n - 2);
	}
	return 0;
}
