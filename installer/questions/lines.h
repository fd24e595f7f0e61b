/* Text cut into the lines of a screen, for both front ends. */
#pragma once

#include "common/base/blob.h"

/* Zero-initialised but for the first two. Nothing is copied: the text may be a secret. */
struct lines {
	struct blob rest;
	size_t width;
	struct blob line; /* what is left of the present one */
	size_t indent;
};

struct line {
	size_t indent; /* blanks in front */
	struct blob text;
};

/*
 * The next line: the text's own ends are kept, what is wider goes on in the next one with the same indentation. A
 * word that is wider than the screen is cut. False at the end.
 */
bool lines_next(struct lines *l, struct line *out);
/* How many there are still. */
size_t lines_count(struct lines l);
