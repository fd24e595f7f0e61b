/* Calls that start, stop and pause qubes (ref/runtime.md 7.5); what takes several steps is a job (job.h). */
#pragma once

#include "runtime/qubesd/call.h"

/* Each answers the call now or later. Arguments of a start that Qubes OS does not have: with `timing` the answer tells
 * how long each step took, with `warning` what a person should know of the qube or of a netvm that came first. */
enum call_result lifecycle_start(struct call *c);
enum call_result lifecycle_kill(struct call *c);
/* Asks the qube to shut down, a netvm with running clients only with `force`; a start that has not come to run it yet is
 * given up. `wait` answers when it is down, or with an exception after its shutdown_timeout. */
enum call_result lifecycle_shutdown(struct call *c, bool force, bool wait);
enum call_result lifecycle_pause(struct call *c, bool pause);
/* As paused, under another name, for a qube without power management of its own. */
enum call_result lifecycle_suspend(struct call *c, bool suspend);
enum call_result lifecycle_state(struct call *c);

/* It is down: answers those who wait for that. */
void lifecycle_halted(struct vm *vm);
/* It cannot be ended for now: the calls that wait for that fail. */
void lifecycle_not_halted(struct vm *vm, const char *why);
/* Begins the starts that were asked for before the domains were known, or refuses them with this reason (NULL: none). */
void lifecycle_start_early(struct qubesd *d, const char *refusal);
