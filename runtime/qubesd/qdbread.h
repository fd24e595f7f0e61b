/* What qubes wrote into their QubesDB. A qube may write anything: values come sanitised and bounded. */
#pragma once

#include "common/base/arena.h"
#include "runtime/qubesd/child.h"
#include "runtime/qubesd/daemon.h"

/* One key of one qube. */
struct qdb_entry {
	struct blob vm, path, value;
};

/*
 * Reads, in a child, all keys below `prefix` of the qubes named (up to NULL); done gets their text
 * for qdb_next(). All has to live until then. A qube that cannot be read has none.
 */
int qdb_read_all(struct qubesd *d, struct arena *a, const char *const *names, const char *prefix,
		 child_done_fn done, void *user);
/* The next entry of the text that the child gave. */
bool qdb_next(struct blob *rest, struct qdb_entry *e);
