/*
 * Firewall rules of a qube (ref/runtime.md 7.7): the lines of admin.vm.firewall.*, the file
 * firewall.xml beside its volumes, and what its netvm finds in QubesDB. All from one arena.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/base/arena.h"
#include "common/base/error.h"
#include "common/base/strbuf.h"

struct firewall_rule {
	const char *action;	   /* accept, drop */
	const char *proto;	   /* tcp, udp, icmp or NULL */
	const char *dst;	   /* address/length or host name, NULL: anywhere */
	int family;		   /* 4, 6; 0: a host name or none */
	const char *dstports;	   /* A-B or NULL */
	const char *icmptype;	   /* or NULL */
	const char *specialtarget; /* dns or NULL */
	const char *comment;	   /* or NULL */
	long long expire;	   /* seconds since 1970, 0: never */
};

struct firewall {
	struct firewall_rule *v;
	size_t n, cap;
};

/* What every new qube has: everything may pass. */
void firewall_default(struct arena *a, struct firewall *f);
/* Lines of rules; -EINVAL with *why. Blank lines are skipped. */
int firewall_parse(struct arena *a, struct blob text, struct firewall *f, const char **why);
/* The lines of admin.vm.firewall.Get; rules that have expired are left out. */
void firewall_format(const struct firewall *f, long long now, struct strbuf *out);
/* The rule as its netvm gets it: NULL when it has expired or is for the other family (4 or 6). */
const char *firewall_entry(const struct firewall_rule *rule, int family, long long now,
			   struct arena *a);
/* When the first of the rules that are in force expires; 0: none does. */
long long firewall_next_expiry(const struct firewall *f, long long now);
/* The file; absent: the default rules. -EINVAL: something else is in it. */
int firewall_load(const char *path, struct arena *a, struct firewall *f, struct error *err);
/* From memory; path is for messages. */
int firewall_read(const char *path, struct blob xml, struct arena *a, struct firewall *f,
		  struct error *err);
int firewall_save(const char *path, const struct firewall *f, long long now, struct error *err);
