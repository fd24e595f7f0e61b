/*
 * Block devices of qubes (ref/runtime.md 7.7): a backend tells of its own in its QubesDB below
 * /qubes-block-devices; attached ones are known to qubesd, which keeps a note of them in the run
 * directory, so that a new qubesd finds them.
 */
#pragma once

#include "runtime/qubesd/daemon.h"
#include "runtime/qubesd/device.h"

/* All that is known of the kind of any of them. */
#define BLOCK_INTERFACES "b******"

/* The devices that the text of qdb_read_all() tells of. */
void block_parse(struct blob text, struct arena *a, struct device_list *out);
const char *block_prefix(void);
/* The qube that has the device, or NULL. */
const struct vm *block_holder(const struct model *m, const char *backend, const char *port);
struct attached *block_attached(const struct vm *vm, const char *backend, const char *port);
/* A name that no disk of the qube has, from the arena; `wanted` (may be NULL) if it is free. NULL:
 * it is not, or none is. */
const char *block_frontend(const struct vm *vm, const char *wanted, struct arena *a);
/* The option devtype: disk, or cdrom, which is a disk that is only read. False for others. */
bool block_devtype(const char *value, bool *read_only);
/* Can it give what it told of, or has it ended meanwhile? */
bool block_backend_runs(const struct model *m, const char *backend);
/* The disk= line of xl/protocol.h, from the arena; of a backend that does not run, only to detach. */
const char *block_line(const struct model *m, const struct attached *at, struct arena *a);

/* Notes that the qube has it; takes copies. */
void block_add(struct qubesd *d, struct vm *vm, const struct attached *at);
void block_remove(struct qubesd *d, struct vm *vm, struct attached *at);
/* The qube has stopped: it has nothing, and what it gave to others is taken from them. */
void block_stopped(struct qubesd *d, struct vm *vm);
/* All domains are known: what qubes have of backends that ended while nobody looked is taken from them. */
void block_listed(struct qubesd *d);
/* The notes of an earlier qubesd, of a qube that runs. */
void block_load(struct qubesd *d, struct vm *vm);
