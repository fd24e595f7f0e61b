#include "runtime/firewall/resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>
#include <time.h>

#include "common/base/alloc.h"

enum { NAMES_MAX = 4096, ADDRESSES_MAX = 64 };

struct name {
	const char *host;
	int family; /* 4 or 6 */
	const char *const *addresses;
	struct gaicb request;
	struct addrinfo hints;
};

struct resolved {
	struct arena *arena;
	struct name *names;
	size_t n;
};

static struct name *find(const struct resolved *r, int family, const char *host)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->names[i].family == family && !strcmp(r->names[i].host, host))
			return &r->names[i];
	return NULL;
}

static void collect_names(const struct firewall *f, struct resolved *r)
{
	for (size_t i = 0; i < f->n_clients; i++)
		for (size_t k = 0; k < f->clients[i].n_rules; k++) {
			const char *host = f->clients[i].rules[k].host;
			int family = f->clients[i].family;

			if (!host || r->n == NAMES_MAX || find(r, family, host))
				continue;
			r->names[r->n++] = (struct name){.host = arena_strdup(r->arena, host), .family = family};
		}
}

static void take_answer(struct arena *a, struct name *name)
{
	const char **list = arena_alloc(a, (ADDRESSES_MAX + 1) * sizeof(*list));
	struct addrinfo *answer = name->request.ar_result;
	char text[INET6_ADDRSTRLEN];
	size_t n = 0;

	for (struct addrinfo *i = answer; i && n < ADDRESSES_MAX; i = i->ai_next) {
		const void *raw = i->ai_family == AF_INET6
					  ? (const void *)&((struct sockaddr_in6 *)(void *)i->ai_addr)->sin6_addr
					  : (const void *)&((struct sockaddr_in *)(void *)i->ai_addr)->sin_addr;

		if (inet_ntop(i->ai_family, raw, text, sizeof(text)))
			list[n++] = arena_strdup(a, text);
	}
	if (answer)
		freeaddrinfo(answer);
	name->addresses = n ? list : NULL;
}

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* Until all have their answer or the time is over; what is still under way then is called off. */
static void wait_for(struct gaicb *const *requests, size_t n, unsigned seconds)
{
	time_t end = now() + seconds;

	for (size_t i = 0; i < n; i++) {
		while (gai_error(requests[i]) == EAI_INPROGRESS && now() < end) {
			const struct gaicb *one[] = {requests[i]};

			gai_suspend(one, 1, &(struct timespec){end - now(), 0});
		}
		/* One that cannot be called off is being worked on right now, and its memory is still written to. */
		while (gai_error(requests[i]) == EAI_INPROGRESS && gai_cancel(requests[i]) == EAI_NOTCANCELED) {
			const struct gaicb *one[] = {requests[i]};

			gai_suspend(one, 1, &(struct timespec){1, 0});
		}
	}
}

struct resolved *resolve_all(const struct firewall *f, unsigned seconds)
{
	struct resolved *r = xcalloc(1, sizeof(*r));
	struct gaicb **requests;

	r->arena = arena_new();
	r->names = xcalloc(NAMES_MAX, sizeof(*r->names));
	collect_names(f, r);
	if (!r->n)
		return r;
	requests = xcalloc(r->n, sizeof(struct gaicb *));
	for (size_t i = 0; i < r->n; i++) {
		struct name *name = &r->names[i];

		name->hints = (struct addrinfo){.ai_family = name->family == 6 ? AF_INET6 : AF_INET,
						.ai_socktype = SOCK_STREAM};
		name->request = (struct gaicb){.ar_name = name->host, .ar_request = &name->hints};
		requests[i] = &name->request;
	}
	if (getaddrinfo_a(GAI_NOWAIT, requests, (int)r->n, NULL) == 0)
		wait_for(requests, r->n, seconds);
	for (size_t i = 0; i < r->n; i++)
		if (gai_error(requests[i]) == 0)
			take_answer(r->arena, &r->names[i]);
	free(requests);
	return r;
}

void resolved_free(struct resolved *r)
{
	if (!r)
		return;
	arena_free(r->arena);
	free(r->names);
	free(r);
}

const char *const *resolved_get(void *user, const struct client *c, const char *host)
{
	struct name *name = find(user, c->family, host);

	return name ? name->addresses : NULL;
}
