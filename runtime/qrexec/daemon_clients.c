/* Programs of dom0 that want something run in the qube, over the daemon's UNIX socket. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "runtime/qrexec/daemon.h"

void daemon_clients_accept(struct daemon *d)
{
	const struct peer_info info = {QREXEC_SOCKET_VERSION};
	int fd = accept4(d->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct daemon_client *c;

	if (fd < 0)
		return;
	c = xcalloc(1, sizeof(*c));
	channel_init_fd(&c->channel, fd);
	c->next = d->clients;
	d->clients = c;
	d->n_clients++;
	channel_send(&c->channel, MSG_HELLO, &info, sizeof(info), NULL, 0);
}

void daemon_clients_poll(struct daemon *d)
{
	for (struct daemon_client *c = d->clients; c; c = c->next)
		c->polled = polls_add(&d->polls, c->channel.fd, POLLIN);
}

static void drop(struct daemon *d, struct daemon_client **at)
{
	struct daemon_client *c = *at;

	for (unsigned i = 0; i < QREXEC_DATA_PORTS; i++)
		if (d->ports[i].client == c)
			d->ports[i].client = NULL;
	*at = c->next;
	d->n_clients--;
	close(c->channel.fd);
	channel_free(&c->channel);
	strbuf_free(&c->question);
	free(c);
}

void daemon_clients_drop(struct daemon *d)
{
	while (d->clients)
		drop(d, &d->clients);
	memset(d->ports, 0, sizeof(d->ports));
}

/*
 * Both daemons of a call between qubes choose from tables of their own for the same pair of domains: the parity, which
 * depends on which number is larger, keeps the choices apart. 0 when all are taken.
 */
static unsigned take_port(struct daemon *d, struct daemon_client *c, uint32_t domain)
{
	unsigned first = domain > (uint32_t)d->domid ? 1 : 0;
	unsigned step = domain ? 2 : 1;

	for (unsigned i = domain ? first : 0; i < QREXEC_DATA_PORTS; i += step) {
		if (d->ports[i].used)
			continue;
		d->ports[i] = (struct port){true, domain, c};
		return QREXEC_DATA_PORT_FIRST + i;
	}
	return 0;
}

static void serve_waiting(struct daemon *d);

void daemon_port_free(struct daemon *d, const struct exec_params *where)
{
	unsigned i = where->connect_port - QREXEC_DATA_PORT_FIRST;
	struct port *p;

	if (where->connect_port < QREXEC_DATA_PORT_FIRST || i >= QREXEC_DATA_PORTS)
		return;
	p = &d->ports[i];
	if (!p->used || p->domain != where->connect_domain)
		return;
	for (struct daemon_client **at = &d->clients; *at; at = &(*at)->next) {
		if (*at == p->client) {
			drop(d, at);
			break;
		}
	}
	*p = (struct port){0};
	serve_waiting(d);
}

static void queue(struct daemon *d, struct daemon_client *c, const struct message *m)
{
	if (c->ticket)
		return;
	c->ticket = ++d->tickets;
	c->type = m->type;
	strbuf_add(&c->question, m->p, m->n);
}

/*
 * Sends the command to the agent with the default user put in, and the data channel's place to the client. When all are taken the
 * client waits, and this is called again: 1.
 */
static int take_exec(struct daemon *d, struct daemon_client *c, const struct message *m)
{
	static const char placeholder[] = "DEFAULT:";
	_cleanup_strbuf_ struct strbuf text = {0};
	struct exec_params where, answer = {(uint32_t)d->domid, 0};
	const char *command;
	unsigned port;

	c->called = true;
	if (!exec_message_parse(m->p, m->n, &where, &command) || where.connect_port != 0)
		return -1;
	if (strncmp(command, placeholder, sizeof(placeholder) - 1) == 0) {
		strbuf_printf(&text, "%s:", d->default_user);
		command += sizeof(placeholder) - 1;
	}
	strbuf_add(&text, command, strlen(command) + 1);
	if (text.n > QREXEC_MAX_COMMAND + 1)
		return -1;
	port = take_port(d, c, where.connect_domain);
	if (!port) {
		queue(d, c, m);
		return 1;
	}
	where.connect_port = port;
	answer.connect_port = port;
	/* First: for one that is gone the agent would wait in vain. */
	if (channel_send(&c->channel, m->type, &answer, sizeof(answer), NULL, 0) < 0) {
		d->ports[port - QREXEC_DATA_PORT_FIRST] = (struct port){0};
		return -1;
	}
	daemon_send(d, m->type, &where, sizeof(where), text.p, text.n);
	return 0;
}

static struct daemon_client *next_waiting(const struct daemon *d, uint64_t after)
{
	struct daemon_client *first = NULL;

	for (struct daemon_client *c = d->clients; c; c = c->next)
		if (c->ticket > after && (!first || c->ticket < first->ticket))
			first = c;
	return first;
}

/* In their order; those of another peer may find no port of theirs where one of a later client is free. */
static void serve_waiting(struct daemon *d)
{
	struct daemon_client *c;

	for (uint64_t at = 0; (c = next_waiting(d, at));) {
		const struct message m = {c->type, c->question.n, c->question.p};

		int r = take_exec(d, c, &m);

		at = c->ticket;
		if (r > 0)
			continue;
		c->ticket = 0;
		strbuf_free(&c->question);
		/* It is dropped when it is polled. */
		if (r < 0)
			shutdown(c->channel.fd, SHUT_RDWR);
	}
}

/* The answer to a request of our qube: where its data channel is to be offered. */
static int take_connect(struct daemon *d, struct daemon_client *c, const struct message *m)
{
	struct exec_params where;
	const char *ident = m->p + sizeof(where);

	memcpy(&where, m->p, sizeof(where));
	if (m->n != sizeof(where) + sizeof(struct service_params) || !daemon_request_take(d, ident))
		return -1;
	c->called = true;
	if (where.connect_domain == 0 && where.connect_port == 0) {
		/* dom0 itself runs the service: the port is ours to choose. */
		where.connect_port = take_port(d, c, 0);
		if (!where.connect_port) {
			daemon_send(d, MSG_SERVICE_REFUSED, ident, sizeof(struct service_params), NULL, 0);
			return -1;
		}
		daemon_send(d, MSG_SERVICE_CONNECT, &where, sizeof(where), ident, sizeof(struct service_params));
		where.connect_domain = (uint32_t)d->domid;
		return channel_send(&c->channel, MSG_SERVICE_CONNECT, &where, sizeof(where), NULL, 0);
	}
	daemon_send(d, MSG_SERVICE_CONNECT, &where, sizeof(where), ident, sizeof(struct service_params));
	return -1;
}

/* < 0: the client is to be dropped. */
static int take_message(struct daemon *d, struct daemon_client *c, const struct message *m)
{
	struct peer_info info;

	if (!c->greeted) {
		if (m->type != MSG_HELLO)
			return -1;
		memcpy(&info, m->p, sizeof(info));
		c->greeted = info.version >= QREXEC_PROTOCOL_MIN;
		return c->greeted ? 0 : -1;
	}
	if (c->called)
		return -1;
	switch (m->type) {
	case MSG_EXEC_CMDLINE:
	case MSG_JUST_EXEC:
		return take_exec(d, c, m);
	case MSG_SERVICE_CONNECT:
		return take_connect(d, c, m);
	default:
		return -1;
	}
}

static int step(struct daemon *d, struct daemon_client *c)
{
	struct message m;
	int r;

	while ((r = channel_read(&c->channel, &m)) > 0)
		if ((r = take_message(d, c, &m)) < 0)
			break;
	return r;
}

void daemon_clients_step(struct daemon *d)
{
	struct daemon_client **at = &d->clients;

	while (*at) {
		struct daemon_client *c = *at;

		if (c->polled && d->polls.v[c->polled].revents && step(d, c) < 0)
			drop(d, at);
		else
			at = &c->next;
	}
}
