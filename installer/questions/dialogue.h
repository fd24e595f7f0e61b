/*
 * The conversation: the questions of the table that the answers leave open, in their order, then the plan, which has to
 * be confirmed. Backwards and forwards at will; what was typed is proposed again, but for secrets.
 */
#pragma once

#include "installer/questions/front.h"
#include "installer/questions/questions.h"

struct dialogue {
	const struct front *front;
	const struct facts *facts;
	struct answers *answers; /* may hold answers already; those are not asked for */
	struct plan_places places;
	bool resumed;  /* the passphrase is one that exists already: not typed twice */
	bool simulate; /* nothing will be done: says so on the last screen */
};

/*
 * 0 with complete answers and the plan confirmed, -ECANCELED when the person left or the terminal went away, another
 * errno when what was given before can lead to no plan.
 */
int dialogue_run(struct dialogue *d, struct error *err);
/*
 * Something went wrong while installing. The person's choice: retry, a shell and then ask again (handled here), save
 * the logs, leave it as it is, undo.
 */
enum dialogue_rescue { RESCUE_RETRY, RESCUE_LOGS, RESCUE_LEAVE, RESCUE_UNDO };
/* `can_undo`: what was written can be taken back, and that is offered too. */
enum dialogue_rescue dialogue_failure(const struct front *front, const char *step, const struct error *failure,
				      bool can_undo);
/* The passphrase did not open the disk: another one, into the answers. False: the person gave none. */
bool dialogue_passphrase(const struct front *front, struct answers *answers);
/* An installation that was cut short was found on a disk: go on with it? */
bool dialogue_resume(const struct front *front, const char *disk, const char *done);
