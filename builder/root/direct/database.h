/*
 * dpkg's database (/var/lib/dpkg) for packages that were unpacked past it: what "dpkg --unpack"
 * would have written, so that "dpkg --configure" finds nothing unusual.
 */
#pragma once

#include <stdbool.h>

#include "builder/root/direct/staged.h"

struct database {
	int root;
	struct strbuf stanzas;	   /* of status, as collected by database_add */
	struct strbuf activations; /* of triggers: lines "TRIGGER PACKAGE" */
	struct strmap interests;   /* of files: paths that a trigger stands for */
};

/* An empty one, for a root without any. */
int database_seed(int root);
/* Reads which files are triggers. Ended with database_end, also after a failure. */
int database_begin(struct database *d, int root);
/* The package, whose files are in the root: its info/ files, interests, activations; its stanza is
 * kept for database_write. */
int database_add(struct database *d, const struct staged *s);
int database_write(struct database *d);
void database_end(struct database *d);

/* Puts interests in triggers into the order in which dpkg meets their packages, whichever way they
 * went in. `ranks`: name of a package as dpkg writes it -> pointer into `first`, an array in that order. */
int database_sort_triggers(int root, const struct strmap *ranks);
