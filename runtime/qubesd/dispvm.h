/*
 * Disposables (ref/runtime.md 7.3, 7.4): qubes made from an app qube whose template_for_dispvms is
 * set. What they have beside that qube's volumes they copy from it. Those with auto_cleanup go as
 * soon as they have stopped.
 */
#pragma once

#include "runtime/qubesd/daemon.h"

/* NULL, or why no disposable can be made from this qube; from the arena. */
const char *dispvm_refused(const struct model *m, const struct vm *template, struct arena *a);
/*
 * A new disposable of that template, to be taken to vmset_add(): its properties, features and tags,
 * a number for its address. name NULL: `dispN`, and it goes when it has stopped. NULL: no number is
 * free.
 */
struct vm *dispvm_new(const struct model *m, const struct vm *template, const char *name,
		      const char *creator);
/* Gives it the firewall rules of its template; its directory is there. */
int dispvm_copy_rules(const struct qubesd *d, const struct vm *vm, struct error *err);
/* Soon, from the event loop: removes every disposable that is to go and has been used. */
void dispvm_sweep(struct qubesd *d);
