/*
 * What qubes find in QubesDB (ref/runtime.md 4.2): first collected, then written by a child, since
 * it goes through the qubes' daemons.
 */
#pragma once

#include "common/base/error.h"
#include "runtime/qubesd/daemon.h"
#include "runtime/qubesd/firewall.h"

struct keys;

/* An empty list; it and what is added to it come from the arena. */
struct keys *keys_new(const struct qubesd *d, struct arena *a);
/* One key of one qube; value NULL removes it (a path that ends in `/`: all below it). */
void keys_add(struct keys *k, const struct vm *vm, const char *path, const char *value);
/* All keys of a qube about to run. */
void keys_add_start(struct keys *k, const struct qubesd *d, const struct vm *vm);
/* Its network settings, or their removal if it has no netvm. */
void keys_add_network(struct keys *k, const struct qubesd *d, const struct vm *vm);
/* In the netvm: the firewall rules and the hidden address of one client. */
void keys_add_client(struct keys *k, const struct qubesd *d, const struct vm *netvm,
		     const struct vm *client, const struct firewall *f);
/* In the netvm: the addresses of all clients that run, and of `with` (may be NULL). */
void keys_add_connected(struct keys *k, const struct qubesd *d, const struct vm *netvm,
			const struct vm *with);
/* Writes them through the qubes' daemons, in order; blocks, for a child. arg is the struct keys. */
int keys_write(const void *arg, struct error *err);
