#include "runtime/network/dns.h"

#include <string.h>

#include "runtime/network/address.h"

static void add(struct blob text, struct dns_servers *out)
{
	char ip[16] = "";

	if (!text.n || text.n >= sizeof(ip) || out->n == DNS_SERVERS_MAX)
		return;
	memcpy(ip, text.p, text.n);
	if (address_family(ip) != 4 || !strncmp(ip, "127.", 4))
		return;
	for (unsigned i = 0; i < out->n; i++)
		if (!strcmp(out->ip[i], ip))
			return;
	memcpy(out->ip[out->n++], ip, sizeof(ip));
}

void dns_read_resolv_conf(struct blob text, struct dns_servers *out)
{
	struct blob line, word;

	while (blob_token(&text, '\n', &line))
		if (blob_word(&line, &word) && blob_eq_str(word, "nameserver") && blob_word(&line, &word))
			add(word, out);
}

void dns_rules(const char *const virtual[2], const struct dns_servers *servers, struct strbuf *out)
{
	static const char *const protocols[] = {"tcp", "udp"};

	strbuf_add_str(out, "flush chain ip qubes dnat-dns\n");
	for (unsigned i = 0; i < 2; i++) {
		if (!virtual[i])
			continue;
		for (unsigned k = 0; k < 2; k++) {
			strbuf_printf(out, "add rule ip qubes dnat-dns ip daddr %s %s dport 53 ", virtual[i], protocols[k]);
			if (servers->n)
				strbuf_printf(out, "dnat to %s\n", servers->ip[i % servers->n]);
			else
				strbuf_add_str(out, "drop\n");
		}
	}
}
