#include "runtime/firewall/script.h"

#include <netinet/in.h>
#include <string.h>

static const char *family_name(int family)
{
	return family == 6 ? "ip6" : "ip";
}

static void base_table(struct strbuf *out, int family)
{
	const char *ip = family_name(family);

	/* Added first, so that deleting succeeds the first time too. */
	strbuf_printf(out, "add table %s qubes-firewall\ndelete table %s qubes-firewall\n", ip, ip);
	strbuf_printf(out,
		      "table %s qubes-firewall {\n"
		      "\tset dns-addr {\n\t\ttype %s\n\t}\n"
		      "\tchain prerouting {\n\t\ttype filter hook prerouting priority -300; policy accept;\n\t}\n"
		      "\tchain postrouting {\n\t\ttype filter hook postrouting priority -300; policy accept;\n\t}\n"
		      "\tchain qubes-forward {\n\t}\n"
		      "\tchain forward {\n"
		      "\t\ttype filter hook forward priority filter; policy drop;\n"
		      "\t\tct state established,related accept\n"
		      "\t\tiifname != \"vif*\" accept\n"
		      "\t\tjump qubes-forward\n"
		      "\t}\n}\n",
		      ip, family == 6 ? "ipv6_addr" : "ipv4_addr");
}

void script_base(struct strbuf *out)
{
	base_table(out, 4);
	base_table(out, 6);
}

/* qbs-10-137-0-4 */
static void add_chain_name(struct strbuf *out, const char *ip)
{
	strbuf_add_str(out, "qbs-");
	for (; *ip; ip++)
		strbuf_add_char(out, *ip == '.' || *ip == ':' ? '-' : *ip);
}

static void add_rule(struct strbuf *out, const struct client *c)
{
	strbuf_printf(out, "add rule %s qubes-firewall ", family_name(c->family));
	add_chain_name(out, c->ip);
	strbuf_add_char(out, ' ');
}

static void add_verdict(struct strbuf *out, const struct client *c, bool accept)
{
	strbuf_printf(out, "%s\n",
		      accept		? "accept"
		      : c->family == 6	? "reject with icmpv6 admin-prohibited"
					: "reject with icmp admin-prohibited");
}

/* Protocols by number: nftables looks names up in /etc/protocols, which a minimal system lacks. */
static void add_protocol(struct strbuf *out, const struct client *c, const struct rule *r)
{
	const char *icmp = c->family == 6 ? "icmpv6" : "icmp";

	switch (r->proto) {
	case PROTO_ANY:
		break;
	case PROTO_TCP:
	case PROTO_UDP:
		if (r->has_ports)
			strbuf_printf(out, "%s dport %u-%u ", r->proto == PROTO_TCP ? "tcp" : "udp", r->ports[0],
				      r->ports[1]);
		else
			strbuf_printf(out, "meta l4proto %d ", r->proto == PROTO_TCP ? IPPROTO_TCP : IPPROTO_UDP);
		break;
	case PROTO_ICMP:
		if (r->icmp_type >= 0)
			strbuf_printf(out, "%s type %d ", icmp, r->icmp_type);
		else
			strbuf_printf(out, "meta l4proto %d ", c->family == 6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
		break;
	}
}

/*
 * The address that the client asked: before rules of a forward hook come those of table qubes, chain dnat-dns, which
 * put the real name server in its place. By another protocol or at another port there is nothing to ask, and no rule.
 */
static void add_dns_rule(struct strbuf *out, const struct client *c, const struct rule *r)
{
	static const enum rule_proto both[] = {PROTO_TCP, PROTO_UDP};

	if (r->has_ports && (r->ports[0] != 53 || r->ports[1] != 53))
		return;
	for (size_t i = 0; i < 2; i++) {
		if (r->proto != PROTO_ANY && r->proto != both[i])
			continue;
		add_rule(out, c);
		strbuf_printf(out, "ct original %s daddr @dns-addr %s dport 53 ", family_name(c->family), i ? "udp" : "tcp");
		add_verdict(out, c, r->accept);
	}
}

static void add_match(struct strbuf *out, const struct client *c, const struct rule *r, const char *destination)
{
	add_rule(out, c);
	if (destination)
		strbuf_printf(out, "%s daddr %s ", family_name(c->family), destination);
	add_protocol(out, c, r);
	add_verdict(out, c, r->accept);
}

/* False when a name that must be blocked cannot be looked up: then what it stands for might pass. */
static bool add_named(struct strbuf *out, const struct client *c, const struct rule *r, const char *const *addresses)
{
	if (!addresses)
		return r->accept;
	for (; *addresses; addresses++)
		add_match(out, c, r, *addresses);
	return true;
}

static bool add_rules(struct strbuf *out, const struct client *c, script_resolver resolve, void *user)
{
	for (size_t i = 0; i < c->n_rules; i++) {
		const struct rule *r = &c->rules[i];

		if (r->network && r->network_family != c->family)
			continue;
		if (r->dns)
			add_dns_rule(out, c, r);
		else if (!r->host)
			add_match(out, c, r, r->network);
		else if (!add_named(out, c, r, resolve(user, c, r->host)))
			return false;
	}
	add_rule(out, c);
	add_verdict(out, c, c->accept);
	return true;
}

void script_client(const struct client *c, script_resolver resolve, void *user, struct strbuf *out)
{
	const char *ip = family_name(c->family);
	size_t start;

	strbuf_printf(out, "add chain %s qubes-firewall ", ip);
	add_chain_name(out, c->ip);
	strbuf_printf(out, "\nflush chain %s qubes-firewall ", ip);
	add_chain_name(out, c->ip);
	strbuf_add_char(out, '\n');
	start = out->n;
	if (c->problem || !add_rules(out, c, resolve, user)) {
		out->n = start;
		add_rule(out, c);
		add_verdict(out, c, false);
	}
	strbuf_printf(out, "add rule %s qubes-firewall qubes-forward %s saddr %s jump ", ip, ip, c->ip);
	add_chain_name(out, c->ip);
	strbuf_add_char(out, '\n');
}

/* What has a client's address but does not come from, or go to, a client's interface. */
static void add_spoofing(struct strbuf *out, int family, const char *const *connected)
{
	const char *ip = family_name(family);

	strbuf_printf(out, "flush chain %s qubes-firewall prerouting\nflush chain %s qubes-firewall postrouting\n", ip,
		      ip);
	if (!*connected)
		return;
	for (int behind = 0; behind < 2; behind++) {
		strbuf_printf(out, "add rule %s qubes-firewall %s %s != \"vif*\" %s %s { ", ip,
			      behind ? "postrouting" : "prerouting", behind ? "oifname" : "iifname", ip,
			      behind ? "daddr" : "saddr");
		for (const char *const *c = connected; *c; c++)
			strbuf_printf(out, "%s%s", c == connected ? "" : ", ", *c);
		strbuf_add_str(out, " } drop\n");
	}
}

static bool has_client(const struct firewall *f, const char *ip)
{
	for (size_t i = 0; i < f->n_clients; i++)
		if (!strcmp(f->clients[i].ip, ip))
			return true;
	return false;
}

void script_clients(const struct firewall *f, const char *const *old, script_resolver resolve, void *user,
		    struct strbuf *out)
{
	strbuf_add_str(out, "flush chain ip qubes-firewall qubes-forward\n"
			    "flush chain ip6 qubes-firewall qubes-forward\n"
			    "flush set ip qubes-firewall dns-addr\n");
	for (size_t i = 0; i < 2; i++)
		if (f->dns[i] && (!i || !f->dns[0] || strcmp(f->dns[0], f->dns[1]) != 0))
			strbuf_printf(out, "add element ip qubes-firewall dns-addr { %s }\n", f->dns[i]);
	for (size_t i = 0; i < f->n_clients; i++)
		script_client(&f->clients[i], resolve, user, out);
	for (; old && *old; old++) {
		if (has_client(f, *old))
			continue;
		strbuf_printf(out, "delete chain %s qubes-firewall ", strchr(*old, ':') ? "ip6" : "ip");
		add_chain_name(out, *old);
		strbuf_add_char(out, '\n');
	}
	add_spoofing(out, 4, f->connected[0]);
	add_spoofing(out, 6, f->connected[1]);
}
