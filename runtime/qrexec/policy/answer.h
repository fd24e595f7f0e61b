#pragma once
/*
 * The texts between qrexec-daemon and who decides for it (ref: runtime.md 3.8): lines of KEY=VALUE. A question ends with an empty
 * line, an answer with the end of the stream.
 */
#include <stdbool.h>

#include "common/base/arena.h"
#include "common/base/blob.h"
#include "common/base/strbuf.h"

#define POLICY_SOCKET "/var/run/qubes/policy.sock"
/* A service name, three more names, and the keys. */
#define POLICY_QUERY_MAX 70000
#define POLICY_ANSWER_MAX 4096

struct policy_query {
	const char *source, *requested_source, *intended_target, *service; /* requested_source may be NULL */
	bool assume_yes, just_evaluate;
};

void policy_query_write(const struct policy_query *q, struct strbuf *out);
/* `text` without the empty line. False, and *why a constant text, unless it is complete and unambiguous. */
bool policy_query_parse(struct blob text, struct arena *a, struct policy_query *q, const char **why);

struct policy_answer {
	bool allow, autostart;
	/* of an allowed call; NULL where optional and not given */
	const char *user, *target, *target_uuid, *requested_target, *service, *policy_source;
};

/* False for what must not be acted upon: missing, repeated or forbidden keys, lines without '='. */
bool policy_answer_parse(struct blob text, struct arena *a, struct policy_answer *answer);
