/*
 * Looks up the host names of all rules at once, so that one name server that does not answer costs its patience once and
 * not once a rule.
 */
#pragma once

#include "runtime/firewall/rules.h"

struct resolved;

/* Waits at most `seconds`. Names that gave no answer by then have none. Free with resolved_free(). */
struct resolved *resolve_all(const struct firewall *f, unsigned seconds);
void resolved_free(struct resolved *r);
/* As script_resolver, with a struct resolved for user. */
const char *const *resolved_get(void *user, const struct client *c, const char *host);
