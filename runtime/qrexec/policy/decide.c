#include "runtime/qrexec/policy/decide.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/process.h"
#include "common/sys/socket.h"
#include "runtime/qrexec/qubesd.h"
#include "runtime/qrexec/policy/exchange.h"
#include "runtime/qrexec/policy/reply.h"
#include "runtime/qrexec/policy/watch.h"

#define MAX_SYSTEM_INFO (16 << 20)
#define MAX_ANSWER 4096
/* Open questions about one source: the agent takes one at a time, and other qubes want to be asked about, too. */
#define MAX_QUESTIONS 4

struct decision_job {
	struct decider *decider;
	struct decision_job *next;
	struct arena *a;
	struct policy_query query;
	struct policy_decision decision;
	/* While the user is asked the world may change: the question belongs to this state of it. */
	struct system_info *info;
	struct exchange *exchange;
	decision_done done;
	void *arg;
};

/* What the user is told about a source, one at a time. */
struct notification {
	struct decider *decider;
	struct notification *next;
	char *source;
	struct exchange *exchange;
};

static void job_free(struct decision_job *j)
{
	struct decision_job **at = &j->decider->jobs;

	while (*at && *at != j)
		at = &(*at)->next;
	if (*at)
		*at = j->next;
	exchange_cancel(j->exchange);
	system_info_free(j->info);
	arena_free(j->a);
	free(j);
}

void decision_cancel(struct decision_job *job)
{
	if (job)
		job_free(job);
}

static struct policy_request request_of(const struct policy_query *q)
{
	return (struct policy_request){q->source, q->requested_source, q->intended_target, q->service};
}

/* --- the user's agent --- */

/* A stream to a service of the agent in the qube where the user sits. */
static int open_agent(const struct decider *d, const char *gui, const char *service)
{
	_cleanup_free_ char *command = xasprintf("DEFAULT:QUBESRPC %s dom0", service);
	const char *const argv[] = {"qrexec-client", "-d", gui, command, NULL};
	struct process p = {.argv = argv};
	int pair[2];
	pid_t pid;

	if (strcmp(gui, "dom0") == 0) {
		_cleanup_close_ int fd = socket_connect(d->agent_socket, SOCK_NONBLOCK);
		_cleanup_free_ char *head = xasprintf("%s+ dom0", service);

		if (fd >= 0 && send(fd, head, strlen(head) + 1, MSG_NOSIGNAL) < 0)
			return -errno;
		return take_fd(&fd);
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	p.stdin_fd = p.stdout_fd = pair[1];
	pid = process_spawn(&p);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return pid;
	}
	return pair[0];
}

static void notification_free(struct notification *n)
{
	struct notification **at = &n->decider->notifications;

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	exchange_cancel(n->exchange);
	free(n->source);
	free(n);
}

static void notified(int r, struct blob answer, void *arg)
{
	struct notification *n = arg;

	(void)r;
	(void)answer;
	n->exchange = NULL;
	notification_free(n);
}

static bool is_being_notified(const struct decider *d, const char *source)
{
	const struct notification *n;

	for (n = d->notifications; n && strcmp(n->source, source) != 0; n = n->next)
		;
	return n != NULL;
}

/* Best effort: a message nobody can show, or that comes before the one of before is shown, is in the log anyway. */
static void notify(struct decision_job *j, const struct system_info *s)
{
	const struct policy_decision *d = &j->decision;
	const char *gui = reply_gui_domain(d, s);
	_cleanup_free_ char *text = NULL;
	struct notification *n;
	int fd;

	if (!d->notify || !gui || j->decider->quiet || j->query.just_evaluate ||
	    is_being_notified(j->decider, d->source->name))
		return;
	fd = open_agent(j->decider, gui, "policy.Notify");
	if (fd < 0)
		return;
	text = reply_notification(j->a, d, d->action == RULE_ALLOW ? "allow" : "deny", d->source->name);
	n = xcalloc(1, sizeof(*n));
	*n = (struct notification){.decider = j->decider, .next = j->decider->notifications, .source = xstrdup(d->source->name)};
	j->decider->notifications = n;
	if (exchange_start(&n->exchange, j->decider->event, fd, blob_of(text), MAX_ANSWER, notified, n) < 0)
		notification_free(n);
}

static void finish(struct decision_job *j, const struct system_info *s)
{
	struct policy_request r = request_of(&j->query);

	reply_log(j->a, &j->decision, &r);
	if (s)
		notify(j, s);
	j->done(&j->decision, s, j->a, j->arg);
	job_free(j);
}

static void refuse(struct decision_job *j, const struct system_info *s, const char *reason)
{
	j->decision.action = RULE_DENY;
	j->decision.reason = reason;
	j->decision.notify = false;
	finish(j, s);
}

static void answered(int r, struct blob answer, void *arg)
{
	struct decision_job *j = arg;
	struct blob text = blob_trim(answer), verdict = {0};

	j->exchange = NULL;
	if (r == 0 && blob_eq_str(text, "deny")) {
		refuse(j, j->info, "the user said no");
		return;
	}
	if (r < 0 || !blob_has_prefix(text, "allow:")) {
		refuse(j, j->info, "the policy agent did not answer");
		return;
	}
	verdict = (struct blob){text.p + 6, text.n - 6};
	policy_decision_choose(&j->decision, j->info, j->a, arena_strndup(j->a, verdict.p, verdict.n));
	finish(j, j->info);
}

static unsigned open_questions(const struct decider *d, const char *source)
{
	unsigned n = 0;

	for (const struct decision_job *j = d->jobs; j; j = j->next)
		n += j->info && strcmp(j->query.source, source) == 0;
	return n;
}

static void ask_user(struct decision_job *j)
{
	struct decider *d = j->decider;
	const char *gui = reply_gui_domain(&j->decision, d->info);
	_cleanup_free_ char *text = NULL;
	int fd, r;

	if (!gui) {
		refuse(j, d->info, "to be asked, but the source has no GUI domain");
		return;
	}
	if (open_questions(d, j->query.source) >= MAX_QUESTIONS) {
		refuse(j, d->info, "to be asked, but the user has not answered earlier questions about this source yet");
		return;
	}
	fd = open_agent(d, gui, "policy.Ask");
	if (fd == -EAGAIN) {
		refuse(j, d->info, "to be asked, but too many questions wait for an answer");
		return;
	}
	if (fd < 0) {
		refuse(j, d->info,
		       arena_printf(j->a, "to be asked, but there is no policy agent (%s: %s); start one on the user's console: "
				    "qrexec-policy-agent --tty", d->agent_socket, strerror(-fd)));
		return;
	}
	text = reply_question(&j->decision, d->info);
	r = exchange_start(&j->exchange, d->event, fd, blob_of(text), MAX_ANSWER, answered, j);
	if (r < 0) {
		refuse(j, d->info, "the policy agent cannot be asked");
		return;
	}
	/* The decision points into it; the next evaluation reads its own. */
	j->info = d->info;
	d->info = NULL;
}

/* --- evaluation --- */

static void evaluate(struct decision_job *j)
{
	struct decider *d = j->decider;
	struct policy_request request = request_of(&j->query);

	watch_refresh(d);
	policy_evaluate(d->policy, d->info, &request, j->a, &j->decision);
	/* Rules may go while the user thinks. */
	if (j->decision.rule) {
		struct rule *copy = arena_alloc(j->a, sizeof(*copy));

		*copy = *j->decision.rule;
		copy->file = arena_strdup(j->a, copy->file);
		j->decision.rule = copy;
		if (j->decision.user)
			j->decision.user = arena_strdup(j->a, j->decision.user);
	}
	if (j->decision.action == RULE_ASK && j->query.assume_yes)
		policy_decision_choose(&j->decision, d->info, j->a, j->decision.requested_target);
	if (j->decision.action == RULE_ASK && !j->query.just_evaluate)
		ask_user(j);
	else
		finish(j, d->info);
}

static void take_info(int r, struct blob answer, void *arg)
{
	struct decision_job *j = arg;
	struct decider *d = j->decider;
	_cleanup_error_ struct error err = {0};

	j->exchange = NULL;
	if (r < 0 || answer.n < 2 || answer.p[0] != '0' || answer.p[1]) {
		refuse(j, NULL, "qubesd does not tell about the qubes");
		return;
	}
	if (!d->info || !blob_eq(answer, strbuf_blob(&d->info_text))) {
		system_info_free(d->info);
		strbuf_reset(&d->info_text);
		strbuf_add(&d->info_text, answer.p, answer.n);
		d->info = system_info_parse(answer.p + 2, answer.n - 2, &err);
	}
	if (!d->info)
		refuse(j, NULL, "qubesd's answer about the qubes is not understood");
	else
		evaluate(j);
}

void decide(struct decider *d, const struct policy_query *q, decision_done done, void *arg, struct decision_job **job)
{
	static const char request[] = "internal.GetSystemInfo dom0 name dom0";
	struct decision_job *j = xcalloc(1, sizeof(*j));
	int fd;

	*j = (struct decision_job){.decider = d, .next = d->jobs, .a = arena_new(), .done = done, .arg = arg};
	d->jobs = j;
	j->query = (struct policy_query){
		.source = arena_strdup(j->a, q->source),
		.requested_source = q->requested_source ? arena_strdup(j->a, q->requested_source) : NULL,
		.intended_target = arena_strdup(j->a, q->intended_target),
		.service = arena_strdup(j->a, q->service),
		.assume_yes = q->assume_yes,
		.just_evaluate = q->just_evaluate,
	};
	*job = j;
	fd = socket_connect(d->qubesd_socket, 0);
	if (fd >= 0 && exchange_start(&j->exchange, d->event, fd, (struct blob){request, sizeof(request)}, MAX_SYSTEM_INFO,
				      take_info, j) == 0)
		return;
	*job = NULL;
	refuse(j, NULL, arena_printf(j->a, "qubesd does not tell about the qubes (%s: %s)", d->qubesd_socket,
				     fd < 0 ? strerror(-fd) : "no event"));
}

int decider_setup(struct decider *d)
{
	return watch_setup(d);
}

void decider_free(struct decider *d)
{
	while (d->jobs)
		job_free(d->jobs);
	while (d->notifications)
		notification_free(d->notifications);
	watch_free(d);
	policy_free(d->policy);
	system_info_free(d->info);
	strbuf_free(&d->info_text);
}
