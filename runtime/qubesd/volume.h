/*
 * Changing the data of volumes: the work is done in a child, and while it lasts the qube neither
 * starts nor goes, nor is the volume changed a second time.
 */
#pragma once

#include "runtime/qubesd/call.h"
#include "runtime/qubesd/storage.h"

/* The volume of the call's argument, planned, in the call's arena; NULL with the exception raised. */
struct storage_volume *volume_of(struct call *c, struct volume **entry);
/* As volume_of(), if it can be given other data now: it is kept, and its qube is halted. */
struct storage_volume *volume_changeable(struct call *c, struct volume **entry);
/* Is data coming in? What was begun by somebody who is gone, and holds no lock on the file, is forgotten and
 * its file removed. */
bool volume_importing(struct vm *vm);
/* Has the source of a snapshot been committed anew since the qube, which runs, took it? */
bool volume_outdated(const struct vm *vm, const struct storage_volume *v);

/* From the child's end; failure: NULL or the reason. The call is still to be answered. */
typedef void (*volume_done_fn)(struct call *c, void *user, const char *failure);
/* (child) */
typedef int (*volume_work_fn)(const struct storage_volume *v, const void *arg, struct error *err);
/* Does the work on the call's target; arg has to live as long as the call. */
enum call_result volume_run(struct call *c, const struct storage_volume *v, volume_work_fn work,
			    const void *arg, volume_done_fn done, void *user);
/* Sets the size of a volume and saves; false with the exception raised. */
bool volume_set_size(struct call *c, const char *volume, uint64_t size);
/* The same with the size of its committed image, which may come from elsewhere. */
void volume_size_from_file(struct call *c, const struct storage_volume *v);
