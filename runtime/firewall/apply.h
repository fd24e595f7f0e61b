/* Brings a state of the rules into the kernel. */
#pragma once

#include "runtime/firewall/resolve.h"
#include "runtime/firewall/rules.h"

struct nft_ctx;

struct apply {
	struct nft_ctx *nft;
	/* What the last script was made from: addresses with a chain, and each one's text, to see whose rules changed. */
	char **clients, **texts;
	size_t n;
	struct resolved *names; /* what the rules' names were found to be */
};

/* The base tables, in which everything is refused. 0, or -errno with the cause on stderr. */
int apply_start(struct apply *ap);
void apply_end(struct apply *ap);
/*
 * All clients' rules in one transaction. A client whose rules the kernel refuses is blocked and the others are not.
 * `on_host` is told what each name was found to be (addresses NULL: nothing), `on_done` each client in force; when only
 * missing names are tried again, of those clients for which something is other than before.
 */
int apply_clients(struct apply *ap, const struct firewall *f, const struct resolve_what *what,
		  void (*on_host)(void *user, const struct client *c, const char *host, const char *const *addresses),
		  void (*on_done)(void *user, const struct client *c), void *user);
