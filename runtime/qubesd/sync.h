/*
 * Keeps what runs in line with the model: QubesDB keys of running qubes, and their network
 * interfaces when a netvm is changed, started or stopped. Writes to QubesDB happen one after the
 * other and are collected when their turn comes, so the last state always wins.
 */
#pragma once

#include "runtime/qubesd/call.h"

/* What is called when a piece of work is through; failure is NULL or the reason, valid only then. */
typedef void (*sync_done_fn)(void *user, const char *failure);

/*
 * Brings keys and interface of a qube to its netvm: attaches, replaces or removes. A call (may be
 * NULL) is answered when that is done. Nothing to do for a qube that does not run.
 */
enum call_result sync_network(struct qubesd *d, struct vm *vm, struct call *c);
/* Tells the netvm of a qube about it (rules, addresses) before it starts; done may be NULL. */
void sync_client(struct qubesd *d, struct vm *vm, sync_done_fn done, void *user);
/* Tells a netvm (may be NULL) anew which of its clients run. */
void sync_connected(struct qubesd *d, struct vm *netvm);
/* Writes one key of a running qube; value NULL removes it. */
void sync_key(struct qubesd *d, struct vm *vm, const char *path, const char *value);
/* A start or a stop of the qube is through: its clients and its netvm are brought up to date. */
void sync_started(struct qubesd *d, struct vm *vm);
void sync_stopped(struct qubesd *d, struct vm *vm);
/* All running qubes whose netvm may have changed by a change of the system's properties. */
void sync_all_networks(struct qubesd *d);
/* The line for xl/protocol.h that says how it is connected: `nic=...`, or "" without a netvm that
 * runs; from the arena. */
const char *sync_nic_line(const struct qubesd *d, const struct vm *vm, struct arena *a);
/* The daemon ends, with changes under way perhaps. */
void sync_close(struct qubesd *d);
/* A qube is about to go: nothing keeps a pointer to it. */
void sync_forget(struct qubesd *d, struct vm *vm);
