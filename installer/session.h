/* One installation from the first question to the last word: what `bulkhead-installer run` does. */
#pragma once

#include "installer/questions/dialogue.h"
#include "installer/run.h"

enum session_resume {
	SESSION_OFFER,	/* a person is asked; unattended, it goes on when the plan is the same, else starts anew */
	SESSION_RESUME, /* nothing but going on will do */
	SESSION_ANEW,
};

struct session {
	struct facts *facts;
	struct answers *answers; /* complete when unattended, else with gaps */
	struct plan_places places;
	const struct front *front; /* unused when unattended */
	enum session_resume resume;
	struct strv skipped; /* out, the caller's to free: what was not done though all is installed, for a person */
};

/*
 * -EBUSY when another installation is running. Takes down what an earlier one left open, all of which has our names, so
 * that the disk can be looked at. The lock is held until the process ends.
 */
int session_begin(const struct plan_places *places, struct error *err);
/* Finds disks with an unfinished installation of ours, and marks them in the facts. */
void session_look(struct facts *facts);
/*
 * Asks what is open, makes the plan and runs it. *plan is the caller's to free. Negative: refused or stopped before
 * anything was written (-ECANCELED: by the person), 1: failed on the way, 0: installed.
 */
int session_run(struct session *s, struct plan *plan, struct error *err);
