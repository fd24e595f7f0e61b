#pragma once
/*
 * policy.EvalSimple and policy.EvalGUI (ref: runtime.md 3.8): services of dom0 that say what would be decided. Input is the service's
 * descriptor, which names it and its caller, then source NUL target.
 */
#include "runtime/qrexec/policy/evaluate.h"

struct strbuf;

struct eval {
	char *caller, *service, *source, *target;
};

/* False for anything too long or malformed. Release with eval_free() in both cases. */
bool eval_parse(struct blob input, struct eval *e);
void eval_free(struct eval *e);

/* `gui`: only about qubes whose GUI domain is the caller. */
void eval_write(const struct eval *e, bool gui, const struct policy_decision *d, const struct system_info *s,
		struct strbuf *out);
