/* Calls that the qube asks for: what comes from it is cleaned here, and followed until its end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "runtime/qrexec/daemon_request.h"
#include "runtime/qrexec/policy/token.h"

static void refuse(struct daemon *d, const char ident[32])
{
	daemon_send(d, MSG_SERVICE_REFUSED, ident, sizeof(struct service_params), NULL, 0);
}

static struct request *find(const struct daemon *d, const char ident[32])
{
	struct request *r;

	for (r = d->requests; r && memcmp(r->ident, ident, sizeof(r->ident)) != 0; r = r->next)
		;
	return r;
}

bool daemon_request_take(struct daemon *d, const char ident[32])
{
	struct request *r = ident[0] ? find(d, ident) : NULL;

	if (r)
		memset(r->ident, 0, sizeof(r->ident));
	return r != NULL;
}

/* What no name may contain becomes '_': it ends up in logs, in policies and in front of people. */
static void clean(char *p, size_t n, const char *further)
{
	for (size_t i = 0; i < n && p[i]; i++)
		if (!word_ok((struct blob){p + i, 1}, further))
			p[i] = '_';
}

/* The qube gets its ident back as it is: it must be a plain word and nothing behind its end. */
static bool ident_ok(const char ident[32])
{
	size_t n = strnlen(ident, 32);

	if (n == 32 || !word_ok((struct blob){ident, n}, "_. -"))
		return false;
	for (size_t i = n; i < 32; i++)
		if (ident[i])
			return false;
	return true;
}

static struct request *request_new(struct daemon *d, const struct trigger *t, const char *service)
{
	struct request *r = xcalloc(1, sizeof(*r));

	r->a = arena_new();
	r->fd = -1;
	memcpy(r->ident, t->params.request_id.ident, sizeof(r->ident));
	r->source = arena_strdup(r->a, t->params.source_domain);
	r->target = arena_strdup(r->a, t->params.target_domain);
	/* Always with its '+', so that a service has one name. */
	r->service = arena_printf(r->a, "%s%s", service, strchr(service, '+') ? "" : "+");
	r->next = d->requests;
	d->requests = r;
	d->n_requests++;
	return r;
}

void daemon_request(struct daemon *d, uint32_t type, const struct message *m)
{
	_cleanup_free_ char *service = NULL;
	struct request *earlier;
	struct trigger t;

	if (!trigger_parse(type, m->p, m->n, &t)) {
		daemon_log(d, "malformed request");
		if (m->n >= sizeof(t.params) && type == MSG_TRIGGER_SERVICE4)
			refuse(d, m->p + 2 * sizeof(t.params.target_domain));
		return;
	}
	service = xstrndup(t.service, t.service_n);
	clean(service, t.service_n, "_.-+");
	clean(t.params.target_domain, sizeof(t.params.target_domain), "_.-@:");
	clean(t.params.source_domain, sizeof(t.params.source_domain), "_.-@:");
	if (!ident_ok(t.params.request_id.ident) || !*service || *service == '+') {
		daemon_log(d, "malformed request");
		refuse(d, t.params.request_id.ident);
		return;
	}
	/* Agents of Qubes name a caller by its descriptor, whose number is used again once the caller has gone. */
	earlier = find(d, t.params.request_id.ident);
	if (earlier && earlier->state == REQUEST_IN_DOM0) {
		daemon_log(d, "a request comes before the service of an earlier one has begun, refusing it");
		refuse(d, t.params.request_id.ident);
		return;
	}
	if (earlier)
		request_abandon(d, earlier);
	if (d->n_requests == DAEMON_MAX_PENDING) {
		daemon_log(d, "too many requests at once, refusing one");
		refuse(d, t.params.request_id.ident);
		return;
	}
	request_ask(d, request_new(d, &t, service));
}

/* --- the list --- */

static void request_free(struct request *r)
{
	if (r->fd >= 0)
		close(r->fd);
	channel_free(&r->channel);
	strbuf_free(&r->in);
	arena_free(r->a);
	free(r);
}

static void remove_over(struct daemon *d)
{
	struct request **at = &d->requests;

	while (*at) {
		struct request *r = *at;

		if (r->state != REQUEST_OVER) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		d->n_requests--;
		request_free(r);
	}
}

void daemon_requests_drop(struct daemon *d)
{
	for (struct request *r = d->requests; r; r = r->next)
		request_abandon(d, r);
	remove_over(d);
}

void daemon_requests_end(struct daemon *d)
{
	for (struct request *r = d->requests; r; r = r->next)
		if (r->state == REQUEST_RUNNING || r->state == REQUEST_STARTING)
			request_call_over(d, r);
	remove_over(d);
}

void daemon_requests_poll(struct daemon *d)
{
	for (struct request *r = d->requests; r; r = r->next)
		r->polled = polls_add(&d->polls, r->fd, POLLIN);
}

/* An answer that ends with its stream. 1: it has ended. */
static int collect(struct request *r)
{
	ssize_t n = read(r->fd, strbuf_reserve(&r->in, 4096), 4096);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : 1;
	r->in.n += (size_t)n;
	/* What is too long is cut off, and then no valid answer. */
	return n == 0 || r->in.n > 2 * POLICY_ANSWER_MAX;
}

static void step(struct daemon *d, struct request *r)
{
	switch (r->state) {
	case REQUEST_ASKED:
	case REQUEST_EXECUTED:
		if (collect(r))
			request_policy_answered(d, r);
		break;
	case REQUEST_CREATING:
	case REQUEST_STARTING:
	case REQUEST_KILLING:
		if (collect(r))
			request_qubesd_answered(d, r);
		break;
	case REQUEST_CALLING:
		request_step_call(d, r);
		break;
	case REQUEST_RUNNING:
		request_call_over(d, r);
		break;
	case REQUEST_IN_DOM0:
	case REQUEST_OVER:
		break;
	}
}

void daemon_requests_step(struct daemon *d)
{
	for (struct request *r = d->requests; r; r = r->next) {
		if (r->polled && d->polls.v[r->polled].revents)
			step(d, r);
		r->polled = 0;
	}
	remove_over(d);
}

void daemon_requests_reap(struct daemon *d)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
		struct request *r;

		for (r = d->requests; r && r->pid != pid; r = r->next)
			;
		if (!r || r->state != REQUEST_IN_DOM0)
			continue;
		/* One that did not come for its channel leaves a caller waiting. */
		if (r->ident[0])
			request_refuse(d, r, "the service could not be run");
		r->state = REQUEST_OVER;
	}
}
