/* How hard a passphrase is to guess, roughly and on the low side: what is shown, never what is enforced. */
#pragma once

#include <stddef.h>

/*
 * Bits of a guess. Counted are classes of characters; a character that repeats or continues the one before it
 * ("aaaa", "1234", "qwert" as neighbours on the keyboard) adds next to nothing; several words count by their number.
 */
unsigned quality_bits(const char *text, size_t n);
/* "very weak", "weak", "fair", "strong". */
const char *quality_word(unsigned bits);
