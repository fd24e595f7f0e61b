/* Regular expressions (PCRE2), bounded in time and depth. Failures go through the heap. */
#pragma once

#include "salt-lite/value/value.h"

enum { REGEX_MULTILINE = 1, REGEX_ICASE = 2, REGEX_DOTALL = 4 };

/* Every match of pattern replaced, \1 and \g<name> filled in; at most `limit` of them, 0: all. */
struct blob regex_replace(struct heap *h, const char *pattern, unsigned flags, struct blob in, struct blob by,
			  uint64_t limit);
/* The groups of a match (a tuple, None for those that took no part), or NULL. At the start: as re.match(). */
const struct value *regex_match(struct heap *h, const char *pattern, unsigned flags, struct blob in, bool at_start);
bool regex_found(struct heap *h, const char *pattern, unsigned flags, struct blob in);
