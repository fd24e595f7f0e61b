/*
 * The store: the result of a step lies in STORE/<key>/, where the key is the SHA-256 of a text that
 * lists everything the result depends on. What is there is complete and never changes; so nothing
 * is done twice, and two builds at once share work instead of disturbing each other.
 *
 * A result is made in STORE/tmp/<key>/, with STORE/lock/<key> locked, and renamed at the end. A
 * folder in tmp/ whose lock nobody holds is what a killed build left; it goes when the store is
 * opened for writing the next time. Only the store's owner can look into a result.
 *
 * No step waits for the disk. Until store_sync(), STORE/unsynced/<key> is a link to the id of the
 * boot in which the result came: after another one the file system may have lost what was in its
 * files, and the result goes when the store is opened.
 */
#pragma once

#include <stdbool.h>

#include "common/base/error.h"
#include "common/base/strbuf.h"
#include "common/sys/hash.h"

struct store;

/* Creates the folder when it is not there. Freed with store_close. */
int store_open(const char *path, struct store **out, struct error *err);
void store_close(struct store *s);
/* Absolute. */
const char *store_path(const struct store *s);

/* The text under a key: lines "name value". Values may be long; line breaks in them are kept apart
 * by a count. */
void store_input(struct strbuf *text, const char *name, const char *value);
void store_input_number(struct strbuf *text, const char *name, unsigned long long value);
void store_key(const struct strbuf *text, char key[SHA256_HEX]);

bool store_has(const struct store *s, const char *key);
/* Absolute path of `name` in the entry (which need not exist), or of the entry itself for NULL. The caller's. */
char *store_entry_path(const struct store *s, const char *key, const char *name);

/* A result in the making. */
struct store_entry {
	char key[SHA256_HEX];
	char *out; /* absolute: what becomes the entry */
	char *tmp; /* absolute: scratch */
	int lock_fd;
};

/*
 * 1: the entry is there (made by someone else while we waited for the lock, perhaps). 0: it is ours
 * to make; end with store_commit or store_abort. The result of `inputs` is kept in the entry as the
 * file "inputs".
 */
int store_begin(struct store *s, const char *key, const struct strbuf *inputs,
		struct store_entry *e, struct error *err);
int store_commit(struct store *s, struct store_entry *e, struct error *err);
void store_abort(struct store *s, struct store_entry *e);

/* Waits until all results are on the disk; at once when they are. */
int store_sync(const struct store *s, struct error *err);
/* -ENOENT when it is not there. */
int store_remove(const struct store *s, const char *key);

/* Digest over names, kinds, execute bits and contents of the files below a folder, for keys.
 * -ENOENT: no such. */
int store_tree_digest(int dirfd, const char *path, char hex[SHA256_HEX]);

/*
 * What goes: entries made before a time, and then the oldest until what is left fits. The newest result of each step
 * (history_keys()) goes after all others, and only when these do not suffice to make what is left fit.
 */
struct store_gc {
	long long made_before;	       /* seconds since 1970; LLONG_MAX: all but the newest of each step */
	unsigned long long keep_bytes; /* ULLONG_MAX: no limit */
	bool dry_run;
};

struct store_gc_result {
	size_t removed, left;
	unsigned long long removed_bytes, left_bytes;
};

/* -EWOULDBLOCK while another process has the store open. A kill leaves no entry half-removed. */
int store_collect(struct store *s, const struct store_gc *gc, struct store_gc_result *result,
		  struct error *err);
/* Whether more than so many bytes are in results that are not the newest of their step. Not counted further. */
bool store_has_unused(const struct store *s, unsigned long long bytes);
/* Takes the store for this process alone until it is closed, or -EWOULDBLOCK. */
int store_exclusive(struct store *s);
