/* Promise: the texts between qrexec-daemon and the policy daemon are taken when complete and unambiguous, and only then. */
#include <string.h>

#include "common/base/strbuf.h"
#include "common/tests/test.h"
#include "runtime/qrexec/policy/answer.h"
#include "runtime/qrexec/policy/eval.h"
#include "runtime/qrexec/policy/question.h"

TEST(queries)
{
	static const struct {
		const char *text;
		bool ok;
	} cases[] = {
		{"source=a\nintended_target=b\nservice_and_arg=s+\n", true},
		{"service_and_arg=s\nintended_target=\nsource=a\n", true},
		{"source=a\nintended_target=b\nservice_and_arg=s\nassume_yes_for_ask=yes\njust_evaluate=no\n", true},
		{"source=a\nintended_target=b\nservice_and_arg=s\nfuture=x\n", true},
		{"source=a\nintended_target=b\nservice_and_arg=s\nrequested_source=r\n", true},
		{"", false},
		{"source=a\nintended_target=b\n", false},
		{"intended_target=b\nservice_and_arg=s\n", false},
		{"source=a\nservice_and_arg=s\n", false},
		{"source=a\nintended_target=b\nservice_and_arg=s\nrequested_source=r\nrequested_source=r\n", false},
		{"source=a\nintended_target=b\nservice_and_arg=s\nassume_yes_for_ask=1\n", false},
		{"source=a\nsource=a\nintended_target=b\nservice_and_arg=s\n", false},
		{"source=a\nintended_target=b\nservice_and_arg=s\njust_evaluate=maybe\n", false},
		{"source=a\nintended_target=b\nservice_and_arg=s\nnonsense\n", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_arena_ struct arena *a = arena_new();
		struct policy_query q;
		const char *why;

		if (!CHECK_INT(policy_query_parse(blob_of(cases[i].text), a, &q, &why), cases[i].ok))
			CHECK_STR(cases[i].text, why);
	}
}

TEST(a_query_comes_back)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_strbuf_ struct strbuf text = {0};
	const struct policy_query q = {"src", "far", "", "s+a", true, true};
	struct policy_query back;
	const char *why;

	policy_query_write(&q, &text);
	CHECK(blob_has_suffix(strbuf_blob(&text), "\n\n"));
	CHECK(policy_query_parse((struct blob){text.p, text.n - 1}, a, &back, &why));
	CHECK_STR(back.source, "src");
	CHECK_STR(back.requested_source, "far");
	CHECK_STR(back.intended_target, "");
	CHECK_STR(back.service, "s+a");
	CHECK(back.assume_yes && back.just_evaluate);
}

#define ALLOW "result=allow\nuser=u\ntarget=t\nrequested_target=r\nautostart="

TEST(answers)
{
	static const struct {
		const char *text;
		int outcome; /* 1 allow, 0 deny, -1 malformed */
	} cases[] = {
		{ALLOW "True\n", 1},
		{ALLOW "False", 1},
		{ALLOW "True\ntarget_uuid=uuid:x\nservice=s\npolicy_source=p\nfuture=1\n", 1},
		{"result=deny\n", 0},
		{"result=deny\nfuture=1\n", 0},
		{"", -1},
		{"user=u\n", -1},
		{"result=ask\n", -1},
		{"result=allow\n", -1},
		{"result=allow\nresult=allow\n", -1},
		{"result=deny\nresult=allow\n", -1},
		{"result=allow\nuser=u\ntarget=t\nautostart=True\n", -1},
		{"result=allow\nuser=\ntarget=t\nrequested_target=r\nautostart=True\n", -1},
		{"result=allow\nuser=u\ntarget=\nrequested_target=r\nautostart=True\n", -1},
		{ALLOW "yes\n", -1},
		{ALLOW "True\nuser=root\n", -1},
		{ALLOW "True\nnonsense\n", -1},
		{ALLOW "True\n\n", -1},
		{"result=deny\nuser=u\n", -1},
		{"result=deny\ntarget=t\n", -1},
		{"result=deny\nautostart=True\n", -1},
		{"result=deny\nrequested_target=t\n", -1},
		{ALLOW "True\ntarget_uuid=x\ntarget_uuid=x\n", -1},
		{ALLOW "True\nservice=s\nservice=s\n", -1},
		{ALLOW "True\npolicy_source=s\npolicy_source=s\n", -1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_arena_ struct arena *a = arena_new();
		struct policy_answer answer;
		bool ok = policy_answer_parse(blob_of(cases[i].text), a, &answer);

		if (!CHECK_INT(ok ? answer.allow : -1, cases[i].outcome))
			CHECK_STR(cases[i].text, "");
	}
}

TEST(what_eval_services_take)
{
	static const struct {
		const char *text;
		size_t n;
		bool ok;
	} cases[] = {
#define CASE(text, ok) {text, sizeof(text) - 1, ok}
		CASE("policy.EvalSimple+s.x dom0\0work\0vault", true),
		CASE("policy.EvalSimple+s.x+arg dom0 name dom0\0work\0vault\0", true),
		CASE("policy.EvalSimple+s.x dom0\0work\0", true),
		CASE("policy.EvalSimple+s.x dom0\0work\0@dispvm:dvm", true),
		CASE("policy.EvalSimple+s.x dom0\0work\nqrexec: s.y: work -> vault\0vault", false),
		CASE("policy.EvalSimple+s.x dom0\0work\0vault\n", false),
		CASE("policy.EvalSimple+s\033 dom0\0work\0vault", false),
		CASE("policy.EvalSimple dom0\0work\0vault", false),
		CASE("policy.EvalSimple+ dom0\0work\0vault", false),
		CASE("policy.EvalSimple+s.x\0work\0vault", false),
		CASE("policy.EvalSimple+s.x dom0\0\0vault", false),
		CASE("policy.EvalSimple+s.x dom0", false),
		CASE("policy.EvalSimple+s.x dom0\0work\0vault\0more", false),
		CASE("policy.EvalSimple+s.x dom0\0" "12345678901234567890123456789012\0vault", false),
		CASE("policy.EvalSimple+s.x dom0\0" "1234567890123456789012345678901\0vault", true),
		CASE("policy.EvalSimple+s.x dom0\0a\0" "1234567890123456789012345678901234567890123456789012345678901234", false),
		CASE("policy.EvalSimple+s.x dom0\0a\0" "123456789012345678901234567890123456789012345678901234567890123", true),
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct eval e;

		if (!CHECK_INT(eval_parse((struct blob){cases[i].text, cases[i].n}, &e), cases[i].ok))
			CHECK_INT(i, -1);
		eval_free(&e);
	}
}

TEST(a_long_service_is_shown_in_short)
{
	static const struct {
		size_t argument;
		const char *end; /* of what is shown */
	} cases[] = {{0, "s.x"}, {10, "s.x+aaaaaaaaaa"}, {76, "aaaa"}, {77, "aaaa... (81 bytes)"}, {60000, "aaaa... (60004 bytes)"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_strbuf_ struct strbuf text = {0};
		struct question q;
		size_t n;

		strbuf_add(&text, "policy.Ask+ dom0", 17);
		strbuf_add_str(&text, "{\"source\":\"work\",\"targets\":[\"vault\"],\"service\":\"s.x\",\"argument\":\"+");
		for (size_t k = 0; k < cases[i].argument; k++)
			strbuf_add_char(&text, 'a');
		strbuf_add_str(&text, "\"}");
		if (CHECK(question_parse(strbuf_blob(&text), &q))) {
			n = strlen(q.service);
			CHECK(n <= 80 + strlen("... (60004 bytes)") && n >= strlen(cases[i].end));
			CHECK_STR(q.service + n - strlen(cases[i].end), cases[i].end);
		}
		question_free(&q);
	}
}
