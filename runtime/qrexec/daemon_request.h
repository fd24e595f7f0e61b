#pragma once
/*
 * One call that the qube asked for, on its way (ref: runtime.md 3.6). Everything it waits for is a descriptor in the daemon's poll set:
 *
 *	the policy daemon, or the policy program when that does not answer
 *	-> qubesd, for a new disposable or a qube that does not run yet
 *	-> the daemon of the target, which names a data channel
 *	-> the answer to our qube; for a disposable then the end of the call, and qubesd to remove it
 *
 * A service of dom0 is run by a qrexec-client, which comes back to us for its channel.
 */
#include <sys/types.h>

#include "common/base/arena.h"
#include "runtime/qrexec/channel.h"
#include "runtime/qrexec/daemon.h"
#include "runtime/qrexec/policy/answer.h"

enum request_state {
	REQUEST_ASKED,	  /* the policy daemon */
	REQUEST_EXECUTED, /* the policy program */
	REQUEST_CREATING, /* qubesd: a disposable */
	REQUEST_STARTING, /* qubesd: the target */
	REQUEST_CALLING,  /* the target's daemon */
	REQUEST_IN_DOM0,  /* qrexec-client runs the service */
	REQUEST_RUNNING,  /* answered; the disposable goes when the call is over */
	REQUEST_KILLING,
	REQUEST_OVER,
};

struct request {
	struct request *next;
	struct arena *a;
	enum request_state state;
	char ident[32]; /* "" once the qube has its answer, or wants none any more */
	const char *source, *target, *service; /* cleaned, as asked */
	struct policy_answer answer;
	const char *place; /* of the target's daemon: what follows "qrexec." */
	bool started, disposable;
	pid_t pid;
	int fd; /* that it waits for, or -1 */
	struct strbuf in;
	struct channel channel; /* REQUEST_CALLING; over `fd` */
	unsigned polled;
};

/* What to do with the policy's answer, qubesd's, the other daemon's: each leaves the request in its next state. */
void request_ask(struct daemon *d, struct request *r);
void request_policy_answered(struct daemon *d, struct request *r);
void request_qubesd_answered(struct daemon *d, struct request *r);
void request_step_call(struct daemon *d, struct request *r);
void request_call_over(struct daemon *d, struct request *r);
void request_refuse(struct daemon *d, struct request *r, const char *why);
/* Nobody wants an answer any more. What was begun is brought to its end: a disposable is removed, everything else forgotten. */
void request_abandon(struct daemon *d, struct request *r);
