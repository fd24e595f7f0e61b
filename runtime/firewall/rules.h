/*
 * What dom0 wants of a netvm's firewall, as it stands in QubesDB (ref/runtime.md 4.2, 7.7):
 *
 *   /qubes-firewall/IP/policy   accept | drop, for what no rule names
 *   /qubes-firewall/IP/NNNN     a rule: action=accept proto=tcp dst4=10.1.2.0/24 dstports=80-443 ...
 *   /qubes-netvm-primary-dns    the resolvers that specialtarget=dns means
 *   /connected-ips, -ips6       the clients there are
 *
 * Everything here comes from dom0, yet it is bounded and checked: what cannot be read blocks its client, nobody else.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/blob.h"

enum rule_proto { PROTO_ANY, PROTO_TCP, PROTO_UDP, PROTO_ICMP };

struct rule {
	bool accept;
	enum rule_proto proto;
	bool dns;	      /* only to the resolvers of this netvm */
	const char *network;  /* ADDRESS[/LENGTH] in canonical form, or NULL */
	int network_family;   /* 4 or 6 */
	const char *host;     /* a name to look up, or NULL */
	bool has_ports;	      /* otherwise any */
	unsigned ports[2];    /* first and last */
	int icmp_type;	      /* -1: any */
};

struct client {
	const char *ip;	 /* canonical */
	const char *key; /* the same as QubesDB has it */
	int family;	/* 4 or 6 */
	bool accept;	/* the policy */
	struct rule *rules;
	size_t n_rules;
	const char *problem; /* not NULL: what could not be read; the client is blocked */
};

struct firewall {
	struct arena *arena;
	struct client *clients;
	size_t n_clients;
	const char *dns[2];		     /* IPv4 addresses or NULL */
	const char *const *connected[2];     /* IPv4, IPv6: NULL-terminated */
};

/* A rule's text. NULL, or what is wrong with it. */
const char *rule_parse(struct arena *a, struct blob text, struct rule *out);
/*
 * `pairs` is path, value, ..., NULL as of qdb_multiread(); strings of the result live in the arena. Never fails: what is
 * wrong is in the clients' `problem`.
 */
void firewall_read(struct arena *a, const char *const *pairs, struct firewall *out);
