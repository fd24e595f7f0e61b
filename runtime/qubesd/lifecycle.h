/*
 * Starting and stopping qubes (ref/runtime.md 7.5): jobs of several steps, none of which blocks the
 * daemon. At most one job works on a qube at a time.
 */
#pragma once

#include "runtime/qubesd/call.h"

/* Each answers the call now or later. Arguments of a start that Qubes OS does not have: with `timing` the answer tells
 * how long each step took, with `warning` what a person should know of the qube or of a netvm that came first. */
enum call_result lifecycle_start(struct call *c);
enum call_result lifecycle_kill(struct call *c);
/* Asks the qube to shut down, a netvm with running clients only with `force`; `wait` answers when it is down, or with an exception after its
 * shutdown_timeout. */
enum call_result lifecycle_shutdown(struct call *c, bool force, bool wait);
enum call_result lifecycle_pause(struct call *c, bool pause);
/* As paused, under another name, for a qube without power management of its own. */
enum call_result lifecycle_suspend(struct call *c, bool suspend);
enum call_result lifecycle_state(struct call *c);

/* The domain that gives network to a qube, -1 when none runs. */
int net_backend(const struct model *m, const struct vm *vm);

/* What the watcher of domains tells (hypervisor.h). */
void lifecycle_domain_seen(struct qubesd *d, int domid, struct blob uuid, struct blob state);
void lifecycle_domain_gone(struct qubesd *d, int domid);
/* Every domain there is has been seen once: a qube believed to run that was not seen has died
 * meanwhile. */
void lifecycle_domains_listed(struct qubesd *d);
/* Begins the starts that were asked for before the domains were known. */
void lifecycle_start_early(struct qubesd *d);
