/*
 * Looks up the host names of rules at once, so that one name server that does not answer costs its patience once and
 * not once a rule. Each client has its own answers, which stay until it is looked at again: what changes for one is
 * nothing to the connections of another.
 */
#pragma once

#include "common/base/strv.h"
#include "runtime/firewall/rules.h"

struct resolved;

/* Which names are looked up besides those that were never asked for. */
struct resolve_what {
	bool all;		    /* each one */
	const struct strv *clients; /* those of these clients, by their keys; may be NULL */
	bool missing;		    /* those that had no answer */
};

/*
 * Waits at most `seconds`. Names that gave no answer by then have none. What is not looked up is taken over from `old`,
 * which may be NULL. Free with resolved_free().
 */
struct resolved *resolve_all(const struct firewall *f, const struct resolved *old, const struct resolve_what *what,
			     unsigned seconds);
void resolved_free(struct resolved *r);
/* Has each name an answer? */
bool resolved_complete(const struct resolved *r);
/* As script_resolver, with a struct resolved for user. */
const char *const *resolved_get(void *user, const struct client *c, const char *host);
