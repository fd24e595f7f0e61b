#include "runtime/firewall/rules.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENTS_MAX = 1024, RULES_MAX = 4096, CONNECTED_MAX = 4096, HOST_MAX = 253, LABEL_MAX = 63 };

static const char prefix[] = "/qubes-firewall/";

/* ADDRESS[/LENGTH] as inet_ntop() writes it; NULL when it is none. *family: 4 or 6. */
static const char *network(struct arena *a, struct blob text, bool with_length, int *family)
{
	unsigned char raw[16];
	char canonical[INET6_ADDRSTRLEN];
	struct blob address, length = text;
	bool six = memchr(text.p, ':', text.n);
	int af = six ? AF_INET6 : AF_INET;
	uint64_t bits = six ? 128 : 32;

	if (!text.n)
		return NULL;
	blob_token(&length, '/', &address);
	if (address.n != text.n && (!with_length || !blob_to_u64(length, bits, &bits)))
		return NULL;
	if (inet_pton(af, arena_strndup(a, address.p, address.n), raw) != 1 ||
	    !inet_ntop(af, raw, canonical, sizeof(canonical)))
		return NULL;
	*family = six ? 6 : 4;
	if (bits == (six ? 128 : 32))
		return arena_strdup(a, canonical);
	return arena_printf(a, "%s/%u", canonical, (unsigned)bits);
}

/* As RFC 1123 has it, with the underscore that some zones use; it goes to the resolver and into a path of QubesDB. */
static bool is_host(struct blob name)
{
	size_t label = 0;

	if (!name.n || name.n > HOST_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if (c == '.' ? !label : !isalnum(c) && c != '-' && c != '_')
			return false;
		if (c == '-' && !label)
			return false;
		label = c == '.' ? 0 : label + 1;
		if (label > LABEL_MAX)
			return false;
	}
	return true;
}

static const char *set_destination(struct arena *a, struct blob key, struct blob value, struct rule *r)
{
	int wanted = blob_eq_str(key, "dst4") ? 4 : blob_eq_str(key, "dst6") ? 6 : 0;

	if (r->network || r->host)
		return "more than one destination";
	r->network = network(a, value, true, &r->network_family);
	if (r->network && wanted && r->network_family != wanted)
		return "an address of the other family";
	if (!r->network && (wanted || !is_host(value)))
		return "neither address nor host name";
	if (!r->network)
		r->host = arena_strndup(a, value.p, value.n);
	return NULL;
}

static const char *set_ports(struct blob value, struct rule *r)
{
	struct blob first, last = value;
	uint64_t from, to;

	blob_token(&last, '-', &first);
	if (first.n == value.n)
		last = first;
	if (r->has_ports || !blob_to_u64(first, 65535, &from) || !blob_to_u64(last, 65535, &to) || to < from)
		return "not a range of ports";
	r->has_ports = true;
	r->ports[0] = (unsigned)from;
	r->ports[1] = (unsigned)to;
	return NULL;
}

static const char *set_proto(struct blob value, struct rule *r)
{
	if (r->proto != PROTO_ANY)
		return "more than one protocol";
	r->proto = blob_eq_str(value, "tcp")	? PROTO_TCP
		   : blob_eq_str(value, "udp")	? PROTO_UDP
		   : blob_eq_str(value, "icmp") ? PROTO_ICMP
						: PROTO_ANY;
	return r->proto == PROTO_ANY ? "unknown protocol" : NULL;
}

static const char *set(struct arena *a, struct blob key, struct blob value, struct rule *r, bool *has_action)
{
	uint64_t n;

	if (blob_eq_str(key, "action")) {
		if (*has_action)
			return "more than one action";
		*has_action = true;
		r->accept = blob_eq_str(value, "accept");
		return r->accept || blob_eq_str(value, "drop") ? NULL : "unknown action";
	}
	if (blob_eq_str(key, "proto"))
		return set_proto(value, r);
	if (blob_eq_str(key, "dst4") || blob_eq_str(key, "dst6") || blob_eq_str(key, "dsthost"))
		return set_destination(a, key, value, r);
	if (blob_eq_str(key, "dstports"))
		return set_ports(value, r);
	if (blob_eq_str(key, "specialtarget")) {
		r->dns = blob_eq_str(value, "dns");
		return r->dns ? NULL : "unknown special target";
	}
	if (blob_eq_str(key, "icmptype")) {
		if (r->icmp_type >= 0 || !blob_to_u64(value, 255, &n))
			return "not an ICMP type";
		r->icmp_type = (int)n;
		return NULL;
	}
	return "unknown word";
}

static const char *contradiction(const struct rule *r, bool has_action)
{
	if (!has_action)
		return "no action";
	if (r->has_ports && r->proto != PROTO_TCP && r->proto != PROTO_UDP)
		return "ports without proto=tcp or proto=udp";
	if (r->icmp_type >= 0 && r->proto != PROTO_ICMP)
		return "an ICMP type without proto=icmp";
	if (r->dns && (r->network || r->host))
		return "specialtarget=dns has its destination";
	return NULL;
}

const char *rule_parse(struct arena *a, struct blob text, struct rule *out)
{
	bool has_action = false;
	struct blob word, key;

	*out = (struct rule){.icmp_type = -1};
	while (blob_word(&text, &word)) {
		const char *problem;

		blob_token(&word, '=', &key);
		problem = set(a, key, word, out, &has_action);
		if (problem)
			return problem;
	}
	return contradiction(out, has_action);
}

static struct client *find_client(struct firewall *f, struct blob text)
{
	int family;
	const char *ip = network(f->arena, text, false, &family);

	if (!ip)
		return NULL;
	for (size_t i = 0; i < f->n_clients; i++)
		if (!strcmp(f->clients[i].ip, ip))
			return &f->clients[i];
	if (f->n_clients == CLIENTS_MAX)
		return NULL;
	f->clients[f->n_clients] = (struct client){
		.ip = ip, .key = arena_strndup(f->arena, text.p, text.n), .family = family, .problem = "no policy"};
	return &f->clients[f->n_clients++];
}

static void complain(struct client *c, const char *problem)
{
	if (!c->problem || !strcmp(c->problem, "no policy"))
		c->problem = problem;
}

/* Rules are numbered in the order in which they are tried, which is also the order of their paths. */
static void add_rule(struct firewall *f, struct client *c, struct blob number, struct blob text)
{
	struct rule rule;
	uint64_t n;
	const char *problem = blob_to_u64(number, RULES_MAX - 1, &n) ? rule_parse(f->arena, text, &rule)
								     : "not a rule's number";

	if (!problem && c->n_rules == RULES_MAX)
		problem = "too many rules";
	if (problem) {
		complain(c, arena_printf(f->arena, "rule %.*s: %s", BLOB_ARG(number), problem));
		return;
	}
	/* Doubling copies: an arena has no realloc. */
	if (!(c->n_rules & (c->n_rules - 1))) {
		struct rule *more = arena_alloc(f->arena, (c->n_rules ? 2 * c->n_rules : 1) * sizeof(*more));

		if (c->n_rules)
			memcpy(more, c->rules, c->n_rules * sizeof(*more));
		c->rules = more;
	}
	c->rules[c->n_rules++] = rule;
}

static void read_client(struct firewall *f, struct blob path, struct blob value)
{
	struct blob ip;
	struct client *c;

	blob_token(&path, '/', &ip);
	/* The mark that a client's rules are complete has no name behind the address. */
	if (!path.n || !(c = find_client(f, ip)))
		return;
	if (!blob_eq_str(path, "policy")) {
		add_rule(f, c, path, value);
		return;
	}
	c->accept = blob_eq_str(value, "accept");
	if (c->problem && !strcmp(c->problem, "no policy"))
		c->problem = NULL;
	if (!c->accept && !blob_eq_str(value, "drop"))
		complain(c, "unknown policy");
}

static const char *const *read_addresses(struct arena *a, struct blob text, int family)
{
	const char **list = arena_alloc(a, (text.n / 2 + 2) * sizeof(*list));
	struct blob word;
	size_t n = 0;
	int got;

	while (n < CONNECTED_MAX && blob_word(&text, &word)) {
		const char *ip = network(a, word, false, &got);

		if (ip && got == family)
			list[n++] = ip;
	}
	return list;
}

void firewall_read(struct arena *a, const char *const *pairs, struct firewall *out)
{
	static const char *const nobody[] = {NULL};

	*out = (struct firewall){.arena = a, .connected = {nobody, nobody}};
	out->clients = arena_alloc(a, CLIENTS_MAX * sizeof(*out->clients));
	for (; pairs && pairs[0]; pairs += 2) {
		struct blob path = blob_of(pairs[0]), value = blob_trim(blob_of(pairs[1]));
		int family = 0;

		if (blob_has_prefix(path, prefix)) {
			read_client(out, (struct blob){path.p + strlen(prefix), path.n - strlen(prefix)}, value);
		} else if (blob_eq_str(path, "/qubes-netvm-primary-dns") ||
			   blob_eq_str(path, "/qubes-netvm-secondary-dns")) {
			const char *ip = network(a, value, false, &family);

			if (family == 4)
				out->dns[path.p[strlen("/qubes-netvm-")] == 's'] = ip;
		} else if (blob_eq_str(path, "/connected-ips")) {
			out->connected[0] = read_addresses(a, value, 4);
		} else if (blob_eq_str(path, "/connected-ips6")) {
			out->connected[1] = read_addresses(a, value, 6);
		}
	}
}
