#include "runtime/firewall/resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/alloc.h"

enum { NAMES_MAX = 4096, ADDRESSES_MAX = 64 };

struct name {
	const char *client, *host;
	int family; /* 4 or 6 */
	bool asked; /* otherwise the addresses are those of before */
	const char *const *addresses;
	struct gaicb request;
	struct addrinfo hints;
};

struct resolved {
	struct arena *arena;
	struct name *names;
	size_t n;
};

static struct name *find(const struct resolved *r, const struct client *c, const char *host)
{
	for (size_t i = 0; r && i < r->n; i++)
		if (!strcmp(r->names[i].client, c->ip) && !strcmp(r->names[i].host, host))
			return &r->names[i];
	return NULL;
}

static const char *const *copy_list(struct arena *a, const char *const *list)
{
	const char **copy = arena_alloc(a, (ADDRESSES_MAX + 1) * sizeof(*copy));

	for (size_t i = 0; list[i]; i++)
		copy[i] = arena_strdup(a, list[i]);
	return copy;
}

static void add_name(struct resolved *r, const struct client *c, const char *host, const struct name *known,
		     const struct resolve_what *what)
{
	struct name *name = &r->names[r->n++];

	*name = (struct name){.client = arena_strdup(r->arena, c->ip), .host = arena_strdup(r->arena, host)};
	name->family = c->family;
	name->asked = !known || what->all || (what->missing && !known->addresses) ||
		      (what->clients && strv_contains(what->clients, c->key));
	if (!name->asked && known->addresses)
		name->addresses = copy_list(r->arena, known->addresses);
}

static void collect_names(const struct firewall *f, const struct resolved *old, const struct resolve_what *what,
			  struct resolved *r)
{
	for (size_t i = 0; i < f->n_clients; i++)
		for (size_t k = 0; k < f->clients[i].n_rules; k++) {
			const struct client *c = &f->clients[i];
			const char *host = c->rules[k].host;

			if (host && r->n < NAMES_MAX && !find(r, c, host))
				add_name(r, c, host, find(old, c, host), what);
		}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In an order of their own: name servers change theirs with each answer, and it would be another rule each time. */
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
	qsort(list, n, sizeof(*list), by_text);
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

struct resolved *resolve_all(const struct firewall *f, const struct resolved *old, const struct resolve_what *what,
			     unsigned seconds)
{
	struct resolved *r = xcalloc(1, sizeof(*r));
	struct gaicb **requests;
	size_t n = 0;

	r->arena = arena_new();
	r->names = xcalloc(NAMES_MAX, sizeof(*r->names));
	collect_names(f, old, what, r);
	requests = xcalloc(r->n + 1, sizeof(struct gaicb *));
	for (size_t i = 0; i < r->n; i++) {
		struct name *name = &r->names[i];

		if (!name->asked)
			continue;
		name->hints = (struct addrinfo){.ai_family = name->family == 6 ? AF_INET6 : AF_INET,
						.ai_socktype = SOCK_STREAM};
		name->request = (struct gaicb){.ar_name = name->host, .ar_request = &name->hints};
		requests[n++] = &name->request;
	}
	if (n && getaddrinfo_a(GAI_NOWAIT, requests, (int)n, NULL) == 0)
		wait_for(requests, n, seconds);
	for (size_t i = 0; i < r->n; i++)
		if (r->names[i].asked && gai_error(&r->names[i].request) == 0)
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

bool resolved_complete(const struct resolved *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (!r->names[i].addresses)
			return false;
	return true;
}

const char *const *resolved_get(void *user, const struct client *c, const char *host)
{
	struct name *name = find(user, c, host);

	return name ? name->addresses : NULL;
}
