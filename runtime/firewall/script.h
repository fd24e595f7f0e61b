/*
 * The rules as a script for nftables (nft(8)); one transaction, so that at no moment a client has half of its rules.
 * Names of tables, chains and sets are those of Qubes OS (ref/runtime.md 8.4), because users' own scripts name them.
 */
#pragma once

#include "common/base/strbuf.h"
#include "runtime/firewall/rules.h"

/* The addresses a host name stands for. NULL-terminated, NULL when it cannot be looked up. */
typedef const char *const *(*script_resolver)(void *user, const struct client *c, const char *host);

/* Tables with everything that is forwarded refused; replaces what an earlier run left. */
void script_base(struct strbuf *out);
/* One client's chain and the way into it: the part of the script that is about this client alone. */
void script_client(const struct client *c, script_resolver resolve, void *user, struct strbuf *out);
/*
 * The rules of all clients in place of those there are. `old` lists the addresses (both families, may be NULL) whose
 * chains an earlier script made. A client with a problem, or with a rule that drops what cannot be looked up, is blocked.
 */
void script_clients(const struct firewall *f, const char *const *old, script_resolver resolve, void *user,
		    struct strbuf *out);
