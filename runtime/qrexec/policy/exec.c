/*
 * qrexec-policy-exec: one decision, for when the daemon that keeps the policy does not run (ref: runtime.md 3.7). The answer goes to
 * stdout in the form the daemon gives.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/ui/options.h"
#include "runtime/qrexec/qubesd.h"
#include "runtime/qrexec/policy/decide.h"
#include "runtime/qrexec/policy/reply.h"

struct run {
	sd_event *event;
	bool allowed;
};

static void decided(const struct policy_decision *d, const struct system_info *s, struct arena *a, void *arg)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct run *r = arg;

	(void)s;
	reply_write(a, d, &text);
	fputs(text.p, stdout);
	r->allowed = d->action == RULE_ALLOW;
	sd_event_exit(r->event, 0);
}

static int run(struct decider *d, const struct policy_query *q)
{
	struct decision_job *job;
	struct run r = {0};

	if (sd_event_default(&r.event) < 0)
		return 1;
	d->event = r.event;
	signal(SIGCHLD, SIG_IGN);
	/* It lives for one decision: without inotify, too. */
	decider_setup(d);
	decide(d, q, decided, &r, &job);
	sd_event_loop(r.event);
	decider_free(d);
	sd_event_unref(r.event);
	return r.allowed ? 0 : 1;
}

int main(int argc, char **argv)
{
	static struct decider d = {.qubesd_socket = QUBESD_INTERNAL_SOCKET, .agent_socket = POLICY_AGENT_SOCKET};
	struct policy_query q = {0};
	_cleanup_strv_ struct strv dirs = {0}, operands = {0};
	const struct option_def options[] = {
		{"assume-yes-for-ask", 0, OPTION_FLAG, &q.assume_yes, NULL, "do not ask, take the target as chosen"},
		{"just-evaluate", 0, OPTION_FLAG, &q.just_evaluate, NULL, "do not ask, say that it would be asked"},
		{"path", 0, OPTION_LIST, &dirs, "DIR", "read this folder instead; may be repeated, the first wins"},
		{"legacy-path", 0, OPTION_STRING, &d.places.legacy, "DIR", "what !compat-4.0 reads"},
		{"qubesd-socket", 0, OPTION_STRING, &d.qubesd_socket, "PATH", "where qubesd tells about the qubes"},
		{"agent-socket", 0, OPTION_STRING, &d.agent_socket, "PATH", "where the user is asked"},
		{.name = NULL},
	};
	const struct command_line cmd = {
		.program = "qrexec-policy-exec",
		.operands = "SOURCE TARGET SERVICE[+ARGUMENT]",
		.summary = "Decides one call and prints the answer for qrexec-daemon.",
		.notes = "Exit code: 0 allowed, 1 not, 2 wrong usage.",
		.options = options,
	};

	d.places = policy_standard_places;
	switch (options_parse(&cmd, argc, argv, &operands)) {
	case OPTIONS_OK:
		break;
	case OPTIONS_HELP:
		return 0;
	case OPTIONS_WRONG:
		return 2;
	}
	if (dirs.n)
		d.places.dirs = (const char *const *)dirs.v;
	/* Before, the source's domain id and a process number came along: SOURCE-ID SOURCE TARGET SERVICE PROCESS-ID. */
	if (operands.n == 3 || operands.n == 5) {
		char **v = operands.v + (operands.n == 5);

		q.source = v[0];
		q.intended_target = v[1];
		q.service = v[2];
		return run(&d, &q);
	}
	return options_wrong(&cmd, "wants a source, a target and a service");
}
