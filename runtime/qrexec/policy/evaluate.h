#pragma once
/*
 * What a policy says to one call (ref: runtime.md 3.8): a function of policy, system information and request, without side effects.
 * Whatever is not understood, unknown or ambiguous is denied.
 */
#include <stdbool.h>

#include "runtime/qrexec/policy/rules.h"
#include "runtime/qrexec/policy/system.h"

struct policy_request {
	const char *source;
	const char *requested_source; /* of a relay: the remote qube it calls for; "" or NULL */
	const char *target;	      /* as the caller wrote it; "" or NULL: none */
	const char *service;	      /* with or without +ARGUMENT */
};

enum place_kind { PLACE_DEFAULT, PLACE_ADMIN, PLACE_QUBE, PLACE_DISPVM };

/* Where a call goes. */
struct place {
	enum place_kind kind;
	const struct qube *qube; /* the qube, or the template of the disposable; NULL: @dispvm without a template */
};

struct policy_decision {
	enum rule_action action;
	const struct rule *rule; /* that decides; NULL: none does */
	const char *reason;	 /* of a denial that is not simply a deny rule */
	bool notify, autostart;
	const char *user; /* or NULL */
	const struct qube *source;
	const char *policy_source;    /* the remote source when there is one, else NULL */
	const char *requested_target; /* in its normal form */
	const char *service;	      /* of the request */
	const char *argument;	      /* with its '+' */
	struct place target;	      /* RULE_ALLOW */
	const char *rewritten;	      /* RULE_ALLOW to a remote qube: the relay's service, else NULL */
	/* RULE_ASK: what can be chosen, by name; default_choice is one of them or NULL. */
	const char **choices;
	size_t n_choices;
	const char *default_choice;
};

/* Texts live in `a`, in the policy or in the system information. */
void policy_evaluate(const struct policy *p, const struct system_info *s, const struct policy_request *r, struct arena *a,
		     struct policy_decision *d);

/* Turns a question that was answered with one of its choices into RULE_ALLOW; anything else into RULE_DENY. */
void policy_decision_choose(struct policy_decision *d, const struct system_info *s, struct arena *a, const char *choice);

/* "@adminvm", the name, "@dispvm:NAME". */
const char *place_text(struct arena *a, const struct place *p);
/* "uuid:UUID" or "@dispvm:uuid:UUID"; NULL when not known. */
const char *place_uuid_text(struct arena *a, const struct place *p);
