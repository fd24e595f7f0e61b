#pragma once
/*
 * A policy as read from its files (ref: runtime.md 3.8): the rules of all files in the order in which they count.
 *
 * Errors do not stop the reading, so that `qrexec-policy lint` shows all of them; but a policy with an error allows nothing.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/base/arena.h"
#include "common/base/strv.h"
#include "runtime/qrexec/policy/token.h"

enum rule_action { RULE_DENY, RULE_ALLOW, RULE_ASK };

struct rule {
	const char *service;  /* NULL: any */
	const char *argument; /* with its '+'; NULL: any */
	struct token source, target;
	enum rule_action action;
	bool has_redirect, has_default_target;
	struct token redirect, default_target;
	const char *user; /* or NULL */
	bool notify, autostart;
	const char *file;
	unsigned line; /* 0: implied at the end of a compatibility file */
};

struct policy {
	struct arena *arena;
	struct rule *rules;
	size_t n, max;
	struct strv folders; /* that were looked into, or would have been if they existed */
	struct strv errors; /* "FILE:LINE: what"; not empty: everything is denied */
};

/* Where policies live. */
struct policy_places {
	const char *const *dirs; /* NULL-terminated; a name found in an earlier one hides it in the later ones */
	const char *legacy;	 /* for !compat-4.0 */
};

extern const struct policy_places policy_standard_places;

/* Never NULL. */
struct policy *policy_load(const struct policy_places *places);
void policy_free(struct policy *p);

static inline void cleanup_policy(struct policy **p)
{
	policy_free(*p);
}

#define _cleanup_policy_ _cleanup_(cleanup_policy)

/* --- between the files of this folder --- */

/* One file while it is read. */
struct policy_file {
	const char *path;
	unsigned line;
	/* Of a file in the old format: the service it is for. */
	bool old_format;
	const char *service, *argument;
};

void policy_error(struct policy *p, const struct policy_file *f, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Checks and splits the two columns; "*" becomes NULL. */
bool policy_service_parse(struct policy *p, const struct policy_file *f, struct blob service, struct blob argument,
			  const char **service_out, const char **argument_out);
/* A line that is neither empty, comment nor directive. Appends a rule or an error. */
void policy_rule_parse(struct policy *p, const struct policy_file *f, struct blob line);
struct rule *policy_rule_add(struct policy *p, const struct policy_file *f);
