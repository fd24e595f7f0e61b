/*
 * Promise: a name is asked for again when dom0 has written its client's rules, or while it has no answer, and at no
 * other time; and the order in which a name server answers is nothing to the rules. The name servers are ours.
 */
#include <netdb.h>
#include <string.h>

#include "common/base/strbuf.h"
#include "common/tests/test.h"
#include "runtime/firewall/resolve.h"

static const char *answers[3]; /* the addresses of each name from now on; NULL: none */
static unsigned asked;

/* All names are one and the same. In place of the C library's, which asks in threads of its own. */
int getaddrinfo_a(int mode, struct gaicb *list[], int n, struct sigevent *event)
{
	(void)mode;
	(void)event;
	for (int i = 0; i < n; i++) {
		struct addrinfo **next = &list[i]->ar_result;

		asked++;
		list[i]->__return = answers[0] ? 0 : EAI_NONAME;
		for (size_t k = 0; k < 3 && answers[k]; k++) {
			CHECK_INT(getaddrinfo(answers[k], NULL, list[i]->ar_request, next), 0);
			next = &(*next)->ai_next;
		}
	}
	return 0;
}

int gai_error(struct gaicb *request)
{
	return request->__return;
}

static void answer(const char *first, const char *second)
{
	answers[0] = first;
	answers[1] = second;
	asked = 0;
}

static struct rule rules[] = {{.host = "a.example.org"}};
static struct client clients[] = {{.ip = "10.137.0.4", .key = "10.137.0.4", .family = 4, .rules = rules, .n_rules = 1},
				  {.ip = "10.137.0.5", .key = "10.137.0.5", .family = 4, .rules = rules, .n_rules = 1}};
static const struct firewall both = {.clients = clients, .n_clients = 2};

static void look_up(struct resolved **r, const struct resolve_what *what)
{
	struct resolved *now = resolve_all(&both, *r, what, 5);

	resolved_free(*r);
	*r = now;
}

static void check(struct resolved *r, size_t client, const char *want)
{
	const char *const *list = resolved_get(r, &clients[client], "a.example.org");
	_cleanup_strbuf_ struct strbuf got = {0};

	for (; list && *list; list++)
		strbuf_printf(&got, "%s%s", got.n ? " " : "", *list);
	CHECK_STR(got.p ? got.p : "", want);
}

TEST(names_of_one_client)
{
	_cleanup_strv_ struct strv second = {0};
	struct resolved *r = NULL;

	strv_push(&second, clients[1].key);
	answer("192.0.2.2", "192.0.2.1");
	look_up(&r, &(struct resolve_what){.all = true});
	CHECK_INT(asked, 2);
	check(r, 0, "192.0.2.1 192.0.2.2");
	answer("192.0.2.9", NULL);
	look_up(&r, &(struct resolve_what){.clients = &second});
	CHECK_INT(asked, 1);
	check(r, 0, "192.0.2.1 192.0.2.2");
	check(r, 1, "192.0.2.9");
	answer(NULL, NULL);
	look_up(&r, &(struct resolve_what){.clients = &second});
	check(r, 1, "");
	CHECK(!resolved_complete(r));
	/* Somebody else's rules. */
	look_up(&r, &(struct resolve_what){0});
	CHECK_INT(asked, 1);
	answer("192.0.2.8", NULL);
	look_up(&r, &(struct resolve_what){.missing = true});
	CHECK_INT(asked, 1);
	check(r, 0, "192.0.2.1 192.0.2.2");
	check(r, 1, "192.0.2.8");
	CHECK(resolved_complete(r));
	resolved_free(r);
}
