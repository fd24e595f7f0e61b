/*
 * runtime/qrexec/policy: what comes to the policy daemon, back from it, to the agent that asks the user, and from qubesd; and who
 * asks what would be decided. What a
 * person gets to see is plain text, and an answer that allows is complete.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/qrexec/policy/answer.h"
#include "runtime/qrexec/policy/eval.h"
#include "runtime/qrexec/policy/question.h"
#include "runtime/qrexec/policy/system.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be_plain(const char *text)
{
	for (; text && *text; text++)
		if (*text < ' ' || *text > '~')
			abort();
}

static void read_question(struct blob text)
{
	struct question q;

	if (question_parse(text, &q)) {
		must_be_plain(q.source);
		must_be_plain(q.service);
		must_be_plain(q.default_target);
		must_be_plain(q.resolution);
		must_be_plain(q.target);
		for (size_t i = 0; i < q.targets.n; i++)
			must_be_plain(q.targets.v[i]);
	}
	question_free(&q);
}

static void read_answer(struct blob text, struct arena *a)
{
	struct policy_answer answer;

	if (policy_answer_parse(text, a, &answer) && answer.allow && (!answer.user || !answer.target || !answer.requested_target))
		abort();
}

/* What is read is written and read again, and is the same. */
static void read_query(struct blob text, struct arena *a)
{
	_cleanup_strbuf_ struct strbuf again = {0};
	struct policy_query q, q2;
	const char *why;

	if (!policy_query_parse(text, a, &q, &why))
		return;
	policy_query_write(&q, &again);
	/* Without the empty line at its end. */
	if (!policy_query_parse((struct blob){again.p, again.n - 1}, a, &q2, &why) || strcmp(q.source, q2.source) ||
	    strcmp(q.intended_target, q2.intended_target) || strcmp(q.service, q2.service) || q.assume_yes != q2.assume_yes)
		abort();
}

static void read_eval(struct blob text)
{
	struct eval e;

	if (eval_parse(text, &e)) {
		must_be_plain(e.service);
		must_be_plain(e.source);
		must_be_plain(e.target);
	}
	eval_free(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_error_ struct error err = {0};
	struct blob text;

	if (!size)
		return 0;
	text = (struct blob){(const char *)data + 1, size - 1};
	switch (data[0] % 8) {
	case 0:
		read_question(text);
		break;
	case 1:
		read_answer(text, a);
		break;
	case 2:
		read_query(text, a);
		break;
	case 4:
		read_eval(text);
		break;
	default:
		system_info_free(system_info_parse(text.p, text.n, &err));
	}
	return 0;
}
