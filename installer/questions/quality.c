#include "installer/questions/quality.h"

#include <stdbool.h>
#include <string.h>

enum { WORD_BITS = 11, TENTHS = 10 };

/* log2 of the classes used, in tenths of a bit. */
static unsigned class_tenths(const char *text, size_t n)
{
	bool lower = false, upper = false, digit = false, other = false, high = false;
	unsigned size;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		lower |= c >= 'a' && c <= 'z';
		upper |= c >= 'A' && c <= 'Z';
		digit |= c >= '0' && c <= '9';
		high |= c >= 0x80;
		other |= c < '0' || (c > '9' && c < 'A') || (c > 'Z' && c < 'a') || (c > 'z' && c < 0x80);
	}
	size = (lower ? 26u : 0) + (upper ? 26u : 0) + (digit ? 10u : 0) + (other ? 33u : 0) + (high ? 64u : 0);
	return size > 90 ? 66 : size > 60 ? 60 : size > 45 ? 57 : size > 33 ? 52 : size > 20 ? 47 : 33;
}

static bool follows(char before, char c)
{
	static const char *const rows[] = {"qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "1234567890"};

	if (c == before || c == before + 1 || c == before - 1)
		return true;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *at = before ? strchr(rows[i], before) : NULL;

		if (at && ((at[1] && at[1] == c) || (at > rows[i] && at[-1] == c)))
			return true;
	}
	return false;
}

unsigned quality_bits(const char *text, size_t n)
{
	unsigned tenths = 0, each = class_tenths(text, n), words = 0;
	bool letters_only = true;

	for (size_t i = 0; i < n; i++) {
		bool letter = (text[i] | 0x20) >= 'a' && (text[i] | 0x20) <= 'z';

		tenths += i && follows(text[i - 1], text[i]) ? TENTHS / 2 : each;
		letters_only &= letter || text[i] == ' ' || text[i] == '-';
		words += letter && (!i || text[i - 1] == ' ' || text[i - 1] == '-');
	}
	/* Words are taken from a dictionary, not letter by letter. */
	if (letters_only && tenths > words * WORD_BITS * TENTHS + 2 * TENTHS)
		tenths = words * WORD_BITS * TENTHS + 2 * TENTHS;
	return tenths / TENTHS;
}

const char *quality_word(unsigned bits)
{
	return bits < 28 ? "very weak" : bits < 45 ? "weak" : bits < 60 ? "fair" : "strong";
}
