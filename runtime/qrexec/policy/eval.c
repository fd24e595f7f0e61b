#include "runtime/qrexec/policy/eval.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/strbuf.h"
#include "runtime/qrexec/policy/token.h"

#define EVAL_INPUT_MAX 96
#define EVAL_SOURCE_MAX 31
#define EVAL_TARGET_MAX 63

bool eval_parse(struct blob input, struct eval *e)
{
	struct blob descriptor, name, caller, source, plus;

	*e = (struct eval){0};
	if (!blob_token(&input, '\0', &descriptor) || !blob_word(&descriptor, &name) || !blob_word(&descriptor, &caller))
		return false;
	if (!blob_token(&name, '+', &plus) || !name.n || input.n > EVAL_INPUT_MAX || !blob_token(&input, '\0', &source))
		return false;
	if (input.n && input.p[input.n - 1] == '\0')
		input.n--;
	if (source.n > EVAL_SOURCE_MAX || input.n > EVAL_TARGET_MAX)
		return false;
	/* They end up in the log, which has a line for each decision. */
	if (!word_ok(name, "_.-+") || !word_ok(source, "_.-@:") || (input.n && !word_ok(input, "_.-@:")))
		return false;
	e->caller = blob_dup(caller);
	e->service = blob_dup(name);
	e->source = blob_dup(source);
	e->target = blob_dup(input);
	return true;
}

void eval_free(struct eval *e)
{
	free(e->caller);
	free(e->service);
	free(e->source);
	free(e->target);
	*e = (struct eval){0};
}

static bool is_shown_by(const struct system_info *s, const char *name, const char *tag)
{
	const struct qube *q = system_info_find(s, name);

	return q && qube_has_tag(q, tag);
}

void eval_write(const struct eval *e, bool gui, const struct policy_decision *d, const struct system_info *s,
		struct strbuf *out)
{
	static const char *const names[] = {[RULE_DENY] = "deny", [RULE_ALLOW] = "allow", [RULE_ASK] = "ask"};
	_cleanup_free_ char *tag = xasprintf("guivm-%s", e->caller);
	bool permitted = !gui || (s && is_shown_by(s, e->source, tag) && is_shown_by(s, e->target, tag));

	strbuf_printf(out, "result=%s\n", permitted ? names[d->action] : "deny");
}
