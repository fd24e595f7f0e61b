/* How a plan's steps are put together; for plan-steps.c and its parts alone. */
#pragma once

#include "installer/run.h"

struct maker {
	struct plan *plan;
	struct step *step; /* the last one, which calls and commands are added to */
};

void maker_step(struct maker *m, const char *id, int (*run)(struct install *in, struct error *err), const char *sentence);
/* A line that says in words what `run` does. */
void maker_call(struct maker *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A command with its arguments, ended by NULL. */
void maker_command(struct maker *m, const char *program, ...) __attribute__((sentinel));

/* plan-qubes.c: the step that makes the qubes. */
void plan_add_qubes(struct maker *m);
