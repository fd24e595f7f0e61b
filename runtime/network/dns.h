/*
 * Clients ask 10.139.1.1 and 10.139.1.2, which nobody has: their netvm sends the questions on to the name servers that
 * it has itself (ref/runtime.md 8.4, chain dnat-dns).
 */
#pragma once

#include "common/base/blob.h"
#include "common/base/strbuf.h"

enum { DNS_SERVERS_MAX = 8 };

struct dns_servers {
	char ip[DNS_SERVERS_MAX][16]; /* IPv4 */
	unsigned n;
};

/* Adds the `nameserver` lines of a resolv.conf(5); loopback is left out, a client would not reach it. */
void dns_read_resolv_conf(struct blob text, struct dns_servers *out);
/* The chain anew: questions to virtual server i go to server i; without any they are dropped. */
void dns_rules(const char *const virtual[2], const struct dns_servers *servers, struct strbuf *out);
