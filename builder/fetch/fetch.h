/*
 * Files by hash: from the cache, or from the first of several mirrors that has the right bytes. A
 * mirror is never trusted: what arrives is kept only when size and sha256 are the expected ones,
 * and the cache is checked again at each use. The cache is $BULKHEAD_CACHE (default
 * ~/.cache/bulkhead), files sha256/<hex>; several processes may share it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "builder/lock/lock.h"
#include "common/base/error.h"
#include "common/base/strbuf.h"
#include "common/base/strv.h"

/* Base URIs to try, in order, per archive. */
struct fetch_mirrors {
	struct strv main, security;
	bool of_host; /* from the host's apt configuration */
	/* For URIs of either scheme, with the mirrors of the host's apt; "": none; NULL: what the environment says. */
	char *http_proxy, *https_proxy;
};

/* How far a download is, for another process to read while it runs. */
struct fetch_status {
	_Atomic uint64_t files, of_files, bytes, of_bytes;
};

struct fetch_options {
	const char *cache; /* NULL: as above */
	struct fetch_mirrors *mirrors;
	bool offline;	      /* only the cache */
	bool quiet;	      /* no progress on stderr */
	unsigned timeout;     /* seconds without a byte before a mirror is given up; 0: 30 */
	unsigned connections; /* 0: 8 */
	/* Called with an item's index as soon as it lies in the cache, verified; may be NULL. A
	 * negative result ends the fetching. */
	int (*ready)(void *arg, size_t item);
	void *ready_arg;
	struct fetch_status *status; /* kept up to date; or NULL */
};

struct fetch_item {
	enum lock_archive archive;
	const char *path;    /* below the mirror's base */
	const char *by_hash; /* path to try first (by-hash/SHA256/...), or NULL */
	const char *label;   /* what messages call it */
	uint64_t size;
	const char *sha256; /* 64 hexadecimal digits */
};

/*
 * The mirrors to use, in this order of precedence: `uris` (repeated --mirror), the environment's
 * MIRROR (blank separated), the Debian entries of the host's apt configuration. A URI given by
 * --mirror or MIRROR serves the base archive; for the security archive its sibling NAME-security is
 * tried, then the URI itself. -ENOENT when nothing names a mirror, -EINVAL for a URI that is no
 * http, https or file one.
 */
int fetch_mirrors_find(struct fetch_mirrors *m, const struct strv *uris, struct error *err);
/* The same from the apt configuration below `root` ("" for the host's): what the above uses last. */
void fetch_mirrors_of_apt(struct fetch_mirrors *m, const char *root);
/* The proxies of the host's apt (Acquire::http::Proxy, Acquire::https::Proxy), unless the environment names some. */
void fetch_proxies_of_apt(struct fetch_mirrors *m);
/* Whether the host's apt takes indexes past their Valid-Until (Acquire::Check-Valid-Until "false"). */
bool fetch_apt_takes_expired(void);
void fetch_mirrors_free(struct fetch_mirrors *m);
#define _cleanup_mirrors_ _cleanup_(fetch_mirrors_free)

/*
 * Brings all items into the cache, verified; several at a time. The first failure ends it: err
 * names the item, the mirror's host and the remedy. -ENOENT: no mirror has it; -EBADMSG: the bytes
 * are wrong; -ETIMEDOUT; -ELOOP: redirects; -ENOTCONN: not in the cache and offline.
 */
int fetch_items(const struct fetch_options *o, const struct fetch_item *items, size_t n,
		struct error *err);
/* All packages of the lock, the largest first; `image` in messages is that of the lock. An "item" of
 * `ready` is a package's place in the lock. */
int fetch_lock(const struct fetch_options *o, const struct lock *l, struct error *err);

/* Path of that hash in the cache (which need not exist); the caller frees. */
char *fetch_cache_path(const char *cache, const char *sha256);
/*
 * Opens a file of the cache, after checking size and sha256: the descriptor (at offset 0), -ENOENT,
 * or -EBADMSG when the bytes in the cache are wrong. fetch_items() has done so for its items; a
 * caller that opens later may again.
 */
int fetch_cache_open(const char *cache, const char *sha256, uint64_t size, const char *label,
		     struct error *err);

/* One file of unknown hash (an index to be verified), at most `max` bytes, from `base`; never cached. */
int fetch_text(const struct fetch_options *o, const char *base, const char *path, size_t max,
	       struct strbuf *out, struct error *err);
/* "mirror.example" of a URI, "this machine" for file://; the caller frees. */
char *fetch_uri_host(const char *uri);
