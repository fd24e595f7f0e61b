/*
 * The hypervisor, behind the helper qubesd-xl: a process per operation, whose lines are described
 * in xl/protocol.h. One more of them stays and tells of domains that come, stop and go.
 */
#pragma once

#include "runtime/qubesd/child.h"
#include "runtime/qubesd/daemon.h"

/*
 * Runs `qubesd-xl OP [DOMID]` with input (may be empty) and reports through `done`: status 0 and
 * the words after `ok`, or another status and what went wrong.
 */
int hypervisor_run(struct qubesd *d, const char *op, int domid, struct blob input,
		   child_done_fn done, void *user, struct child **child);

/* The answer of the helper: the words after `ok`, or NULL with *cause its error text or a
 * substitute. */
const char *hypervisor_answer(struct arena *a, int status, const char *out, const char **cause);
/* Did the helper end without having told how it went? What it was at may be done all the same. */
bool hypervisor_lost(int status);
/* Did a domain fail for want of memory? Both in MiB. */
bool hypervisor_short(const char *out, uint64_t *need, uint64_t *free_mib);

/*
 * Starts watching domains; calls domains_seen() and domains_gone(). The watcher
 * is started anew when it ends.
 */
int hypervisor_watch(struct qubesd *d);
/* Frees what that keeps; its sources end with the event loop. */
void hypervisor_watch_free(struct qubesd *d);
