/* qvm.*: qubes, over the Admin API of qubesd (ref/runtime.md 7). */
#pragma once

#include "salt-lite/engine/salt.h"

/* One call; the answer in the heap. False: *message says what qubesd answered. */
bool qvm_ask(struct salt *s, const char *dest, const char *method, const char *argument, const char *payload,
	     struct blob *answer, const char **message);
/* Whether there is such a qube, and its state ("Halted"), as the list of qubes has it. */
bool qvm_exists(struct salt *s, const char *name, struct blob *state);
/* What the state qvm.FUNCTION does, with the chunk's name and arguments. */
void qvm_step(struct salt *s, struct chunk *c);

/* A function of the qvm module, as templates and conditions call them. */
struct qvm_function {
	const char *name; /* "qvm.prefs" */
	const char *step; /* the state that it is like */
	const char *places, *names; /* as call_check(); NULL: words are flags, and the state judges the names */
};

/* NULL: there is none of that name. */
const struct qvm_function *qvm_function_find(const char *name);
/*
 * Calls it: call->data is the function. The answer has passed(), failed(), comment, changes, retcode and data: what the
 * qube has now.
 */
const struct value *qvm_function_call(struct heap *h, const struct value *self, const struct call *call);
