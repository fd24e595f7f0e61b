/*
 * Promise: from what dom0 wrote into QubesDB comes exactly the script of the case. A case has lines "PATH VALUE",
 * "resolve HOST ADDRESS..." for what a look-up gives, "old ADDRESS" for chains that are there, then a line "=" and the
 * script without the lines that every script begins with.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/base/strv.h"
#include "common/sys/file.h"
#include "common/tests/test.h"
#include "runtime/firewall/script.h"

static const char here[] = "runtime/firewall/tests/cases";

struct given {
	struct arena *a;
	struct strv pairs, old, hosts; /* hosts: "HOST ADDRESS..." */
};

static const char *const *resolve(void *user, const struct client *c, const char *host)
{
	struct given *g = user;

	(void)c;
	for (size_t i = 0; i < g->hosts.n; i++) {
		struct blob rest = blob_of(g->hosts.v[i]), word;
		const char **list = arena_alloc(g->a, 16 * sizeof(*list));
		size_t n = 0;

		if (!blob_word(&rest, &word) || !blob_eq_str(word, host))
			continue;
		while (n < 15 && blob_word(&rest, &word))
			list[n++] = arena_strndup(g->a, word.p, word.n);
		return list;
	}
	return NULL;
}

static void read_given(struct blob text, struct given *g)
{
	struct blob line, word;

	while (blob_token(&text, '\n', &line)) {
		_cleanup_free_ char *rest = NULL;

		blob_token(&line, ' ', &word);
		rest = blob_dup(line);
		if (blob_eq_str(word, "resolve")) {
			strv_push(&g->hosts, rest);
		} else if (blob_eq_str(word, "old")) {
			strv_push(&g->old, rest);
		} else if (word.n && word.p[0] == '/') {
			strv_push_take(&g->pairs, blob_dup(word));
			strv_push(&g->pairs, rest);
		}
	}
}

static void run_case(const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", here, name);
	_cleanup_strbuf_ struct strbuf text = {0}, script = {0};
	_cleanup_arena_ struct arena *a = arena_new();
	struct given g = {.a = a};
	struct firewall f;
	const char *split, *got;

	if (!CHECK(read_file(AT_FDCWD, path, 1 << 20, &text) >= 0) || !CHECK((split = strstr(text.p, "\n=\n"))))
		return;
	read_given((struct blob){text.p, (size_t)(split - text.p)}, &g);
	firewall_read(a, (const char *const *)g.pairs.v, &f);
	script_clients(&f, (const char *const *)g.old.v, resolve, &g, &script);
	got = strstr(script.p, "flush set ip qubes-firewall dns-addr\n");
	got = got ? strchr(got, '\n') + 1 : script.p;
	test_check(!strcmp(got, split + 3), path, 0, got);
	strv_free(&g.pairs);
	strv_free(&g.old);
	strv_free(&g.hosts);
}

TEST(cases)
{
	_cleanup_closedir_ DIR *dir = opendir(here);
	unsigned cases = 0;
	struct dirent *e;

	if (!CHECK(dir))
		return;
	while ((e = readdir(dir)))
		if (strstr(e->d_name, ".case")) {
			run_case(e->d_name);
			cases++;
		}
	CHECK(cases > 0);
}

/* One line a refusal: what is wrong, and the rule. */
TEST(refused_rules)
{
	static const char *const wrong[][2] = {
		{"no action", "proto=tcp"},
		{"unknown action", "action=maybe"},
		{"more than one action", "action=drop action=accept"},
		{"unknown protocol", "action=drop proto=sctp"},
		{"more than one protocol", "action=drop proto=tcp proto=udp"},
		{"ports without proto=tcp or proto=udp", "action=drop dstports=1-2"},
		{"not a range of ports", "action=drop proto=tcp dstports=9-2"},
		{"not a range of ports", "action=drop proto=tcp dstports="},
		{"not a range of ports", "action=drop proto=tcp dstports=1-65536"},
		{"not a range of ports", "action=drop proto=tcp dstports=1-2-3"},
		{"not an ICMP type", "action=drop proto=icmp icmptype=256"},
		{"an ICMP type without proto=icmp", "action=drop icmptype=8"},
		{"unknown special target", "action=drop specialtarget=all"},
		{"specialtarget=dns has its destination", "action=drop specialtarget=dns dst4=1.2.3.4"},
		{"not a range of ports", "action=drop proto=tcp dstports=0-0 dstports=0-0"},
		{"an address of the other family", "action=drop dst4=::1"},
		{"neither address nor host name", "action=drop dst4=1.2.3.4/33"},
		{"neither address nor host name", "action=drop dsthost=a;b"},
		{"neither address nor host name", "action=drop dsthost=-a.org"},
		{"neither address nor host name", "action=drop dsthost=a..org"},
		{"more than one destination", "action=drop dst4=1.2.3.4 dst4=1.2.3.5"},
		{"unknown word", "action=drop comment=x"},
		{"unknown word", "action=drop }"},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		_cleanup_arena_ struct arena *a = arena_new();
		struct rule r;
		const char *problem = rule_parse(a, blob_of(wrong[i][1]), &r);

		CHECK_STR(problem ? problem : "none", wrong[i][0]);
	}
}
