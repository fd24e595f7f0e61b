/*
 * Control data of Debian (deb822(5)): stanzas of "Name: value" fields, a value going on in lines
 * that begin with a blank. Nothing is copied: names and values point into the text. Bounded in
 * fields per stanza and bytes per line.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/base/blob.h"

enum {
	DEB822_MAX_FIELDS = 64,
	DEB822_MAX_LINE = 1 << 20, /* Provides of some packages fill tens of kilobytes */
};

struct deb822_field {
	struct blob name, value; /* value: trimmed; inner line breaks and blanks as they stand */
};

struct deb822_stanza {
	struct deb822_field fields[DEB822_MAX_FIELDS];
	size_t n;
	unsigned line; /* of its first field */
};

/* Set `rest` to the text and the others to 0. */
struct deb822 {
	struct blob rest;
	unsigned line;	   /* lines read so far: where an error is */
	const char *error; /* cause, after a negative result */
};

/* 1: *s holds the next stanza; 0: the text has ended; -EBADMSG: the line d->line is wrong, see d->error. */
int deb822_next(struct deb822 *d, struct deb822_stanza *s);
/* Value of a field, whatever the case of its name; {NULL, 0} when it is absent. */
struct blob deb822_get(const struct deb822_stanza *s, const char *name);
