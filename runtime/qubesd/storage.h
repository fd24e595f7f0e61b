/*
 * Volumes of qubes as files, after Qubes OS's file-reflink pool (ref/runtime.md 7.6): `<vol>.img`
 * is the last committed content, `<vol>-dirty.img` what a running qube writes to. Functions marked
 * (child) may take long and run in a forked child of qubesd; they touch no state but files.
 */
#pragma once

#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/error.h"
#include "common/base/strv.h"
#include "runtime/qubesd/model.h"

/* What start, stop, create and remove need to know of one volume, free of the model. */
struct storage_volume {
	const char *name;
	const char *clean, *dirty; /* paths; NULL for a kernel */
	const char *import;	   /* where data from outside is put together */
	const char *source;	   /* clean path of the volume it is a snapshot of, or NULL */
	const char *image;	   /* what the qube gets as disk while it runs */
	const char *device;	   /* xvda ... */
	uint64_t size;
	unsigned revisions_to_keep;
	bool save_on_stop, snap_on_start, rw;
	bool left; /* there is a dirty image: in use, or left by a crash */
};

struct storage {
	const char *dir;   /* of the qube, for what is no volume too */
	const char **dirs; /* that one, and those of the same name in other pools */
	size_t n_dirs;
	struct storage_volume *volumes;
	size_t n;
	bool unused; /* since it was planned, for a start, nothing ran with it */
};

/* Directories of qubes that are being removed begin so; no qube's name does. */
#define STORAGE_RETIRED ".removed-"

enum { STORAGE_GIB = 1 << 30, STORAGE_REVISIONS_MAX = 1000 };

/* The directory of a qube, for what it has beside its volumes too. */
const char *storage_dir(const struct model *m, const struct vm *vm, const char *root,
			struct arena *a);
/*
 * Gives a new qube its <volume-config>: root, private, volatile, kernel. `pools` (may be NULL) names
 * the pool of a volume instead of the default one; that of a snapshot is always its source's.
 */
void storage_configure(const struct model *m, struct vm *vm, const struct kvlist *pools);
/* Its pool keeps volumes as files. */
bool storage_is_file_pool(const struct pool *p);
/*
 * Where everything lies; `root` is put before the pool's directory, `kernel` is the kernel property
 * ("" for none). All from the arena. -ENOENT (unknown pool or source) or -EINVAL with *err.
 */
int storage_plan(const struct model *m, const struct vm *vm, const char *root, const char *kernel,
		 struct arena *a, struct storage *out, struct error *err);
/*
 * Makes the directory and the empty volumes that a new qube keeps. Files of an earlier qube of that
 * name go first; only the root of a template (`keep_root`) may have been laid there before.
 */
int storage_create(const struct storage *s, bool keep_root, struct error *err);
/* Renames the directories to such as no qube has, ready for storage_remove(). Absent: fine. */
int storage_retire(struct storage *s, struct arena *a, struct error *err);
/* (child) Makes every image a running qube needs. Prints one `copied` line when reflink was not
 * possible. */
int storage_start(const struct storage *s, struct error *err);
/* (child) Commits what is kept, drops what is not, and what was made for a start that came to nothing. Works after a crash at any point, and twice. */
int storage_stop(const struct storage *s, struct error *err);
/* (child) Removes the qube's directories; absent is fine. */
int storage_remove(const struct storage *s, struct error *err);
/* (child) Removes what an interrupted removal left below these directories of pools, up to NULL. */
int storage_sweep(const char *const *dirs, struct error *err);
/* Names of the kept earlier versions, `N@TIMEZ`, oldest first. */
void storage_revisions(const struct storage_volume *v, struct strv *out);
/*
 * (child) Each of these gives a volume that is not in use other data, whole or not at all; the data
 * before becomes a revision. -ENOENT: no such revision.
 */
int storage_revert(const struct storage_volume *v, const char *revision, struct error *err);
int storage_copy(const struct storage_volume *v, const char *from, struct error *err);
int storage_clear(const struct storage_volume *v, struct error *err);
/* (child) Makes an empty v->import; storage_import_end() makes it the volume, or drops it. */
int storage_import_begin(const struct storage_volume *v, struct error *err);
int storage_import_end(const struct storage_volume *v, bool ok, struct error *err);
/* (child) Grows the volume to v->size, in use or not; a loop device over it is told. */
int storage_resize(const struct storage_volume *v, struct error *err);
/* Bytes allocated by the volume now; 0 when there is none. */
uint64_t storage_usage(const struct storage_volume *v);
