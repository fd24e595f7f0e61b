#pragma once
/*
 * Decisions with all that belongs to them: the policy kept fresh, qubesd asked about the qubes, the user asked where the policy
 * says so, and the log. Nothing blocks: the answer comes by a callback out of the event loop.
 */
#include <systemd/sd-event.h>

#include "common/base/strmap.h"
#include "runtime/qrexec/policy/answer.h"
#include "runtime/qrexec/policy/evaluate.h"

#define DECIDER_WATCHES 1024
#define POLICY_AGENT_SOCKET "/var/run/qubes/policy-agent.sock"

struct decider {
	sd_event *event;
	struct policy_places places;
	const char *qubesd_socket, *agent_socket;
	bool quiet; /* no notifications: they come from another evaluation */
	/* private */
	struct policy *policy;
	int inotify_fd;
	sd_event_source *watch_source;
	struct strmap watches;
	bool is_policy_folder[DECIDER_WATCHES]; /* by watch number */
	struct system_info *info;
	struct strbuf info_text; /* that `info` was made from: an equal answer is not parsed again */
	struct decision_job *jobs;
	struct notification *notifications;
};

/* Reads the policy and follows its changes. */
int decider_setup(struct decider *d);
void decider_free(struct decider *d);

struct decision_job;

/* The decision and its texts are valid during the call; the job ends behind it. `a` may be used for further texts. */
typedef void (*decision_done)(const struct policy_decision *d, const struct system_info *s, struct arena *a, void *arg);

/* `q` is copied. `done` may be called before this returns, then *job is NULL. */
void decide(struct decider *d, const struct policy_query *q, decision_done done, void *arg, struct decision_job **job);
/* Nobody wants to know any more; a question to the user is taken back. */
void decision_cancel(struct decision_job *job);
