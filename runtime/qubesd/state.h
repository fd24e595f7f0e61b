/*
 * qubes.xml: the persistent form of the model, in the format of Qubes OS 4.x (ref/runtime.md 7.3).
 * The document that was read is kept and edited in place on writing, so elements and attributes we
 * do not know stay where they were.
 */
#pragma once

#include "common/base/error.h"
#include "runtime/qubesd/model.h"

enum { STATE_MAX = 64 << 20 };

/*
 * Reads the file into a new model. -ENOENT: no such file; -EINVAL: not such a file, *err names line
 * and element. External entities, DTDs and the network are never used.
 */
int state_load(const char *path, struct model **model, struct error *err);
/* The same from memory; `path` is only for messages. */
int state_parse(const char *path, const char *data, size_t n, struct model **model,
		struct error *err);
/*
 * For a file that cannot be read: keeps it beside itself as `<path>.broken` and puts `<path>.bak` in
 * its place. -EEXIST: it can be read, nothing is done; other errors: of the previous version.
 */
int state_restore(const char *path, struct error *err);
/* The document as text, updated from the model; free() it. */
int state_format(struct model *m, char **data, size_t *n);
/*
 * Writes atomically; what was there before stays beside it as `<path>.bak`. Nothing is written while nothing has changed
 * since the last time. 0 or -errno; -EILSEQ: it could not be read again.
 */
int state_save(struct model *m, const char *path, struct error *err);
/* Frees the kept document too. */
void state_free(struct model *m);
