/* The parts of a run, for each other. */
#pragma once

#include "salt-lite/engine/salt.h"

/* Whether the state runs, by what its requisites did and by its conditions; if not, its result and outcome are set. */
bool requisites_hold(struct salt *s, struct chunk *c);
bool conditions_hold(struct salt *s, struct chunk *c);
/* Whether all commands and functions of that parameter succeed. */
bool commands_succeed(struct salt *s, struct chunk *c, const char *kind);
/* How many of the states that this requisite names have changed something. */
size_t requisite_changed(struct salt *s, const struct chunk *c, const char *kind);
/* The state is not run, which is fine; or is not, because of that requisite. Both return false. */
bool chunk_skip(struct salt *s, struct chunk *c, const char *why);
bool chunk_refuse(struct salt *s, struct chunk *c, const char *kind);

/* The state itself: result and outcome. */
void chunk_run(struct salt *s, struct chunk *c);
/* Notes, shows and counts it. */
void chunk_finish(struct salt *s, struct chunk *c);
void chunk_report(struct salt *s, struct chunk *c);
void chunk_journal(struct salt *s, const struct chunk *c);
void journal_keep(struct salt *s);

/* Runs it in a process of its own, to be joined. False: not now; run it here. */
bool parallel_start(struct salt *s, struct chunk *c);
/* Waits for it, if it runs by itself, and finishes it. */
void parallel_join(struct salt *s, struct chunk *c);
void parallel_join_all(struct salt *s);
