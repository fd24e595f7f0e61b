/* The listening socket and its connections: see ref/runtime.md 7.1 for framing. */
#pragma once

#include "runtime/qubesd/daemon.h"

/*
 * Listens on `path` (0660, group qubes if there is one). A stale socket is replaced, -EADDRINUSE:
 * another daemon answers there.
 */
int server_listen(struct qubesd *d, const char *path, struct error *err);
/* Does anybody listen to admin.vm.Stats? */
bool server_has_stats(const struct qubesd *d);
/* One event vm-stats (ref/runtime.md 7.2): KiB, ms, percent, number. */
void server_send_stats(struct qubesd *d, const struct vm *vm, const char *memory_kb,
		       const char *cpu_time, const char *cpu_usage, const char *vcpus);
/* Closes every connection. */
void server_close(struct qubesd *d);
/* A qube is about to go: who subscribed to its events gets their end. */
void server_forget(struct qubesd *d, const struct vm *vm);
