#pragma once
/*
 * What the policy needs to know of the qubes: the answer of qubesd to internal.GetSystemInfo (ref: runtime.md 3.8), as a value.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/base/error.h"
#include "common/base/strmap.h"

struct qube {
	const char *name; /* "dom0" for the admin domain */
	const char *uuid; /* without prefix, or NULL */
	const char *class;
	const char *const *tags; /* NULL-terminated */
	/* of the following, NULL where it has none */
	const char *icon, *default_dispvm, *guivm, *relayvm, *transport_rpc, *power_state;
	bool internal, template_for_dispvms;
};

struct system_info {
	struct qube *qubes;
	size_t n;
	struct arena *arena;
	struct strmap by_name; /* names and "uuid:..." to qubes */
};

/* Reads the JSON. NULL and *err when it is not of that form. */
struct system_info *system_info_parse(const char *json, size_t n, struct error *err);
void system_info_free(struct system_info *s);

/* By name, or by "uuid:UUID"; NULL. */
const struct qube *system_info_find(const struct system_info *s, const char *name);
bool qube_has_tag(const struct qube *q, const char *tag);
bool qube_is_admin(const struct qube *q);

static inline void cleanup_system_info(struct system_info **s)
{
	system_info_free(*s);
}

#define _cleanup_system_info_ _cleanup_(cleanup_system_info)
