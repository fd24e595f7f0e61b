/*
 * Qubes come and go. Their files come first and go last, the entry in qubes.xml decides: a crash in
 * between leaves only files that nothing refers to, never a qube without files.
 */
#pragma once

#include "runtime/qubesd/child.h"
#include "runtime/qubesd/daemon.h"
#include "runtime/qubesd/kv.h"

/*
 * Takes the new qube into the model, makes its volumes (`pools` as of storage_configure()), gives a disposable its
 * template's rules, and saves. The reference goes to the model, or is dropped on failure. 0, or -errno with *err.
 */
int vmset_add(struct qubesd *d, struct vm *vm, const struct kvlist *pools, struct error *err);
/*
 * Takes a halted qube out; no pointer to it stays but those of calls. Its files go in a child;
 * `done` (may be NULL) is called then, with the reason on failure. 0, or -errno with *err and the
 * qube where it was.
 */
typedef void (*vmset_removed_fn)(void *user, const char *failure);
int vmset_remove(struct qubesd *d, struct vm *vm, vmset_removed_fn done, void *user,
		 struct error *err);
/* The property that names the qube (`template of work`), from the arena; NULL: none does. */
const char *vmset_user(const struct model *m, const struct vm *vm, struct arena *a);
