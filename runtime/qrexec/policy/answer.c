#include "runtime/qrexec/policy/answer.h"

#include <string.h>

struct field {
	const char *key;
	const char **text; /* or */
	bool *flag;
	const char *yes, *no;
};

/* Fills the fields; *seen gets a bit for each. Unknown keys are of a later version. */
static bool read_fields(struct blob rest, struct arena *a, const struct field *fields, unsigned n, unsigned *seen)
{
	struct blob line, key;

	while (blob_token(&rest, '\n', &line)) {
		struct blob value = line;
		const struct field *f;
		unsigned i;

		if (!memchr(line.p, '=', line.n) || memchr(line.p, '\0', line.n) || !blob_token(&value, '=', &key))
			return false;
		for (i = 0; i < n && !blob_eq_str(key, fields[i].key); i++)
			;
		if (i == n)
			continue;
		f = &fields[i];
		if (*seen & 1u << i)
			return false;
		*seen |= 1u << i;
		if (f->text)
			*f->text = arena_strndup(a, value.p, value.n);
		else if (blob_eq_str(value, f->yes))
			*f->flag = true;
		else if (!blob_eq_str(value, f->no))
			return false;
	}
	return true;
}

void policy_query_write(const struct policy_query *q, struct strbuf *out)
{
	strbuf_printf(out, "source=%s\nintended_target=%s\nservice_and_arg=%s\n", q->source, q->intended_target, q->service);
	if (q->requested_source && *q->requested_source)
		strbuf_printf(out, "requested_source=%s\n", q->requested_source);
	if (q->assume_yes)
		strbuf_add_str(out, "assume_yes_for_ask=yes\n");
	if (q->just_evaluate)
		strbuf_add_str(out, "just_evaluate=yes\n");
	strbuf_add_char(out, '\n');
}

bool policy_query_parse(struct blob text, struct arena *a, struct policy_query *q, const char **why)
{
	const struct field fields[] = {
		{"source", &q->source, NULL, NULL, NULL},
		{"intended_target", &q->intended_target, NULL, NULL, NULL},
		{"service_and_arg", &q->service, NULL, NULL, NULL},
		{"requested_source", &q->requested_source, NULL, NULL, NULL},
		{"assume_yes_for_ask", NULL, &q->assume_yes, "yes", "no"},
		{"just_evaluate", NULL, &q->just_evaluate, "yes", "no"},
	};
	unsigned seen = 0;

	*q = (struct policy_query){0};
	*why = "malformed or repeated line";
	if (!read_fields(text, a, fields, 6, &seen))
		return false;
	*why = "source, intended_target or service_and_arg is missing";
	return (seen & 7) == 7;
}

bool policy_answer_parse(struct blob text, struct arena *a, struct policy_answer *answer)
{
	const struct field fields[] = {
		{"result", NULL, &answer->allow, "allow", "deny"},
		{"user", &answer->user, NULL, NULL, NULL},
		{"target", &answer->target, NULL, NULL, NULL},
		{"requested_target", &answer->requested_target, NULL, NULL, NULL},
		{"autostart", NULL, &answer->autostart, "True", "False"},
		{"target_uuid", &answer->target_uuid, NULL, NULL, NULL},
		{"service", &answer->service, NULL, NULL, NULL},
		{"policy_source", &answer->policy_source, NULL, NULL, NULL},
	};
	unsigned seen = 0;

	*answer = (struct policy_answer){0};
	if (text.n > POLICY_ANSWER_MAX || !read_fields(text, a, fields, 8, &seen) || !(seen & 1))
		return false;
	if (!answer->allow)
		return (seen & 0x1e) == 0;
	return (seen & 0x1e) == 0x1e && *answer->user && *answer->target;
}
