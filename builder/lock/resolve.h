/*
 * From a definition to a lock: verified indexes, then the distribution's own solver on a private
 * root that knows only them and our own packages, then each package it chose looked up in the
 * verified indexes.
 */
#pragma once

#include <stdbool.h>

#include "builder/definition.h"
#include "builder/fetch/fetch.h"
#include "builder/lock/lock.h"
#include "builder/store.h"

struct lock_options {
	struct fetch_options fetch;
	struct store *store;	 /* in whose scratch apt works */
	const char *source_root; /* where runtime/packages and builder/keyrings lie */
	const char *version;	 /* of our own packages: the text of VERSION */
	const char *keyring;	 /* keys instead of builder/keyrings/: .asc or .gpg; NULL */
	const char *apt_root; /* finished root of a tools image whose apt is used; NULL: the host's apt */
	const struct lock *previous; /* refuses indexes older than its; NULL */
	bool allow_expired;	     /* take indexes past their Valid-Until (a frozen mirror) */
};

/* Images whose name starts so are locked by the host's apt, as the tools image itself is not there yet. */
#define LOCK_TOOLS_PREFIX "tools-"

/*
 * Resolves the definition (family deb). On success *out is the caller's (lock_free()). Errors as
 * fetch_items(), and -EKEYREJECTED: signature; -ESTALE: older than the previous lock or expired;
 * -EBADMSG: an index is wrong; -ENOPKG: the solver finds no answer, err holds its reason.
 */
int lock_resolve(const struct definition *d, const struct lock_options *o, struct lock **out,
		 struct error *err);

/*
 * Whether the lock still fits the definition: it has every package that the definition, and what our
 * own packages depend on, name, and is of the suites and components that the definition names.
 * -ESTALE: err names the first that is missing. Of the options only source_root and version are used.
 */
int lock_check(const struct definition *d, const struct lock_options *o, const struct lock *l,
	       struct error *err);

/* "templates/debian-13-minimal.lock" of "templates/debian-13-minimal.yaml"; the caller frees. */
char *lock_path_of(const struct definition *d);
