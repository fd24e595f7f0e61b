/*
 * Prints allowed.inc, the Unicode characters that a file's name may have (ref/runtime.md 5), from ICU's data:
 *
 *	cc -o /tmp/unicode-table unicode-table.c $(pkg-config --cflags --libs icu-uc) && /tmp/unicode-table >allowed.inc
 *
 * It is run by hand, and its result is kept, because the answer must not depend on the ICU of the build machine: both ends
 * of a copy have to agree about what needs the argument allow-all-names.
 */
#include <stdio.h>
#include <unicode/uchar.h>
#include <unicode/uscript.h>
#include <unicode/uversion.h>

#define CATEGORIES \
	(U_GC_L_MASK | U_GC_N_MASK | U_GC_P_MASK | U_GC_SM_MASK | U_GC_SC_MASK)

static int script_allowed(UChar32 c)
{
	UErrorCode error = U_ZERO_ERROR;

	switch ((int)uscript_getScript(c, &error)) {
	case USCRIPT_COMMON:
	case USCRIPT_INHERITED:
	case USCRIPT_LATIN:
	case USCRIPT_GREEK:
	case USCRIPT_CYRILLIC:
	case USCRIPT_HAN:
	case USCRIPT_HIRAGANA:
	case USCRIPT_KATAKANA:
	case USCRIPT_HANGUL:
	case USCRIPT_BOPOMOFO:
	case USCRIPT_BRAILLE:
		return !U_FAILURE(error);
	default:
		return 0;
	}
}

static int allowed(UChar32 c)
{
	UErrorCode error = U_ZERO_ERROR;
	UCharDirection direction = u_charDirection(c);

	if (c < 0x80 || direction == U_RIGHT_TO_LEFT || direction == U_RIGHT_TO_LEFT_ARABIC || !script_allowed(c) ||
	    u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT))
		return 0;
	/* Braille's characters count as symbols and are its letters all the same. */
	return (U_GET_GC_MASK(c) & CATEGORIES) != 0 || uscript_getScript(c, &error) == USCRIPT_BRAILLE;
}

int main(void)
{
	UChar32 start = -1;

	printf("/* Made by unicode-table.c from Unicode %s: first and last of each run. */\n", U_UNICODE_VERSION);
	for (UChar32 c = 0; c <= 0x110000; c++) {
		int yes = c < 0x110000 && allowed(c);

		if (yes && start < 0)
			start = c;
		if (!yes && start >= 0) {
			printf("{0x%X, 0x%X},\n", (unsigned)start, (unsigned)c - 1);
			start = -1;
		}
	}
	return 0;
}
