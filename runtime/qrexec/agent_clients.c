/* Programs of this qube (qrexec-client-vm) that ask for a call to another one, over the agent's UNIX socket. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "runtime/qrexec/agent.h"

#define IDENT_PREFIX "SOCKET"

void agent_clients_accept(struct agent *a)
{
	int fd = accept4(a->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct client *c;

	if (fd < 0)
		return;
	c = xcalloc(1, sizeof(*c));
	c->number = ++a->client_numbers;
	channel_init_fd(&c->channel, fd);
	c->next = a->clients;
	a->clients = c;
	a->n_clients++;
}

void agent_clients_poll(struct agent *a)
{
	for (struct client *c = a->clients; c; c = c->next)
		c->polled = polls_add(&a->polls, c->channel.fd, POLLIN);
}

static void drop(struct agent *a, struct client **at)
{
	struct client *c = *at;

	/* dom0 frees the port of a granted call when it hears of the end. */
	if (c->connected)
		agent_send(a, MSG_CONNECTION_TERMINATED, &c->where, sizeof(c->where), NULL, 0);
	*at = c->next;
	a->n_clients--;
	close(c->channel.fd);
	channel_free(&c->channel);
	free(c);
}

void agent_clients_drop(struct agent *a)
{
	while (a->clients)
		drop(a, &a->clients);
}

static void write_ident(const struct client *c, char ident[32])
{
	memset(ident, 0, 32);
	snprintf(ident, 32, IDENT_PREFIX "%llu", (unsigned long long)c->number);
}

/* Sends the request on in the form the daemon understands. */
static int forward(struct agent *a, struct client *c, struct trigger *t)
{
	struct trigger_service_params4 *p = &t->params;
	struct trigger_service_params v2 = {0};

	if (strcmp(p->request_id.ident, IDENT_PREFIX) != 0)
		return -EPROTO;
	write_ident(c, p->request_id.ident);
	if (a->version >= 4) {
		agent_send(a, MSG_TRIGGER_SERVICE4, p, sizeof(*p), t->service, t->service_n + 1);
	} else if (a->version == 3) {
		agent_send(a, MSG_TRIGGER_SERVICE3, p->target_domain, sizeof(struct trigger_service_params3), t->service,
		           t->service_n + 1);
	} else {
		if (t->service_n >= sizeof(v2.service_name) || strlen(p->target_domain) >= sizeof(v2.target_domain))
			return -ENAMETOOLONG;
		memcpy(v2.service_name, t->service, t->service_n);
		memcpy(v2.target_domain, p->target_domain, strlen(p->target_domain));
		v2.request_id = p->request_id;
		agent_send(a, MSG_TRIGGER_SERVICE, &v2, sizeof(v2), NULL, 0);
	}
	c->asked = true;
	return 0;
}

/* Returns whether the client is to be dropped. */
static bool step(struct agent *a, struct client *c)
{
	struct message m;
	struct trigger t;
	int r = channel_read(&c->channel, &m);

	if (r <= 0)
		return r < 0;
	if (c->asked || !a->greeted || (m.type != MSG_TRIGGER_SERVICE4 && m.type != MSG_TRIGGER_SERVICE3) ||
	    !trigger_parse(m.type, m.p, m.n, &t))
		return true;
	return forward(a, c, &t) < 0;
}

void agent_clients_step(struct agent *a)
{
	struct client **at = &a->clients;

	while (*at) {
		struct client *c = *at;

		/* One that was accepted in this round has no entry yet. */
		if (c->polled && a->polls.v[c->polled].revents && step(a, c))
			drop(a, at);
		else
			at = &c->next;
	}
}

static struct client **find(struct agent *a, const char ident[32])
{
	struct client **at;
	char own[32];

	for (at = &a->clients; *at; at = &(*at)->next) {
		write_ident(*at, own);
		if ((*at)->asked && !(*at)->connected && strncmp(own, ident, sizeof(own)) == 0)
			return at;
	}
	return NULL;
}

void agent_client_connect(struct agent *a, const struct exec_params *where, const char ident[32])
{
	struct client **at = find(a, ident);

	if (!at) {
		/* It went away while dom0 decided. */
		agent_send(a, MSG_CONNECTION_TERMINATED, where, sizeof(*where), NULL, 0);
		return;
	}
	(*at)->where = *where;
	(*at)->connected = true;
	if (send((*at)->channel.fd, where, sizeof(*where), MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)sizeof(*where))
		drop(a, at);
}

void agent_client_refuse(struct agent *a, const char ident[32])
{
	struct client **at = find(a, ident);

	if (at)
		drop(a, at);
}
