/* Text with its length: how everything untrusted is carried. A blob owns nothing and need not end in NUL. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct blob {
	const char *p;
	size_t n;
};

#define BLOB(literal) ((struct blob){(literal), sizeof(literal) - 1})
/* For printf("%.*s", BLOB_ARG(b)). */
#define BLOB_ARG(b) (int)(b).n, (b).p

static inline struct blob blob_of(const char *s)
{
	return (struct blob){s, s ? strlen(s) : 0};
}

bool blob_eq(struct blob a, struct blob b);
bool blob_eq_str(struct blob a, const char *s);
/* Byte order, a shorter prefix first. */
int blob_cmp(struct blob a, struct blob b);
bool blob_has_prefix(struct blob b, const char *prefix);
bool blob_has_suffix(struct blob b, const char *suffix);
/* Without leading and trailing spaces, tabs, CR and LF. */
struct blob blob_trim(struct blob b);
/*
 * Cuts the next piece off the front of *rest, up to (without) the separator, which is consumed. True while there
 * was something left to cut, else the piece is empty; an input that ends in the separator yields no empty last piece.
 */
bool blob_token(struct blob *rest, char separator, struct blob *token);
/* As blob_token(), for runs of blanks: no piece that is cut is empty. */
bool blob_word(struct blob *rest, struct blob *word);
/* The last line that is not blank, trimmed; empty when there is none. */
struct blob blob_last_line(struct blob text);
/* Is that one of the words, which blanks separate? */
bool blob_has_word(struct blob list, const char *word);
/* Decimal digits only, at most `max`. False when empty, not a number or too large. */
bool blob_to_u64(struct blob b, uint64_t max, uint64_t *value);
/* Allocated NUL-terminated copy; a NUL inside ends it early. */
char *blob_dup(struct blob b);
