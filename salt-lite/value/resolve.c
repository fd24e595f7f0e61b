/* The implicit types of plain scalars: PyYAML's resolver, regular expression for regular expression. */
#include <ctype.h>
#include <math.h>

#include "salt-lite/value/yaml.h"

static bool one_of(struct blob s, const char *const *words)
{
	for (; *words; words++)
		if (blob_eq_str(s, *words))
			return true;
	return false;
}

static size_t span(struct blob s, size_t at, const char *set)
{
	size_t n = 0;

	while (at + n < s.n && s.p[at + n] && strchr(set, s.p[at + n]))
		n++;
	return n;
}

#define DIGITS "0123456789"

/* (:[0-5]?[0-9])+ from `at`; how far it goes. */
static size_t span_sixty(struct blob s, size_t at)
{
	size_t start = at;

	while (at + 1 < s.n && s.p[at] == ':' && isdigit((unsigned char)s.p[at + 1])) {
		bool two = at + 2 < s.n && isdigit((unsigned char)s.p[at + 2]) && s.p[at + 1] <= '5';

		at += two ? 3 : 2;
	}
	return at - start;
}

static int64_t number_of(struct heap *h, struct blob s, size_t at, unsigned base)
{
	int64_t n = 0;

	for (; at < s.n; at++) {
		unsigned d;

		if (s.p[at] == '_')
			continue;
		d = isdigit((unsigned char)s.p[at]) ? (unsigned)(s.p[at] - '0')
						    : (unsigned)(tolower(s.p[at]) - 'a') + 10;
		if (__builtin_mul_overflow(n, (int64_t)base, &n) || __builtin_add_overflow(n, (int64_t)d, &n))
			heap_fail_remedy(h, "put it in quotes", "%.*s is a number beyond 64 bits", BLOB_ARG(s));
	}
	return n;
}

static double sixty_of(struct blob s, size_t at)
{
	double whole = 0;

	while (at < s.n) {
		char part[64];
		size_t n = 0;

		for (; at < s.n && s.p[at] != ':'; at++)
			if (s.p[at] != '_' && n < sizeof(part) - 1)
				part[n++] = s.p[at];
		part[n] = 0;
		whole = whole * 60 + strtod(part, NULL);
		at++;
	}
	return whole;
}

static int64_t sixty_int(struct heap *h, struct blob s, size_t at)
{
	double f = sixty_of(s, at);

	if (f >= 9e18)
		heap_fail_remedy(h, "put it in quotes", "%.*s is a number beyond 64 bits", BLOB_ARG(s));
	return (int64_t)f;
}

static const struct value *as_int(struct heap *h, struct blob s)
{
	size_t at = s.p[0] == '-' || s.p[0] == '+';
	bool minus = s.p[0] == '-';
	int64_t n;
	size_t d;

	if (at >= s.n)
		return NULL;
	if (at + 2 < s.n && s.p[at] == '0' && s.p[at + 1] == 'b' && span(s, at + 2, "01_") == s.n - at - 2)
		n = number_of(h, s, at + 2, 2);
	else if (at + 2 < s.n && s.p[at] == '0' && s.p[at + 1] == 'x' &&
		 span(s, at + 2, DIGITS "abcdefABCDEF_") == s.n - at - 2)
		n = number_of(h, s, at + 2, 16);
	else if (s.n - at > 1 && s.p[at] == '0' && span(s, at, "01234567_") == s.n - at)
		/* Octal only with a sign: Salt's loader takes the zeros away, so that a mode is written the same everywhere. */
		n = number_of(h, s, at, at ? 8 : 10);
	else if (s.n - at == 1 && s.p[at] == '0')
		n = 0;
	else if (s.p[at] >= '1' && s.p[at] <= '9' && (d = span(s, at, DIGITS "_")) == s.n - at)
		n = number_of(h, s, at, 10);
	else if (s.p[at] >= '1' && s.p[at] <= '9' && (d = span(s, at, DIGITS "_")) && span_sixty(s, at + d) &&
		 at + d + span_sixty(s, at + d) == s.n)
		n = sixty_int(h, s, at);
	else
		return NULL;
	return value_int(h, minus ? -n : n);
}

static size_t span_exponent(struct blob s, size_t at)
{
	size_t d;

	if (at + 2 >= s.n || (s.p[at] != 'e' && s.p[at] != 'E') || (s.p[at + 1] != '-' && s.p[at + 1] != '+'))
		return 0;
	d = span(s, at + 2, DIGITS);
	return d ? d + 2 : 0;
}

static const struct value *plain_float(struct heap *h, struct blob s)
{
	char text[128];
	size_t n = 0;

	for (size_t i = 0; i < s.n && n < sizeof(text) - 1; i++)
		if (s.p[i] != '_')
			text[n++] = s.p[i];
	text[n] = 0;
	return value_float(h, strtod(text, NULL));
}

static const struct value *as_float(struct heap *h, struct blob s)
{
	static const char *const infinite[] = {".inf", ".Inf", ".INF", NULL};
	static const char *const nan_words[] = {".nan", ".NaN", ".NAN", NULL};
	size_t at = s.p[0] == '-' || s.p[0] == '+';
	struct blob rest = {s.p + at, s.n - at};
	size_t d, end;

	if (one_of(rest, infinite))
		return value_float(h, s.p[0] == '-' ? -INFINITY : INFINITY);
	if (one_of(s, nan_words))
		return value_float(h, NAN);
	if (!at && s.p[0] == '.' && s.n > 1 && isdigit((unsigned char)s.p[1])) {
		end = 1 + span(s, 1, DIGITS "_");
		return end + span_exponent(s, end) == s.n ? plain_float(h, s) : NULL;
	}
	if (at >= s.n || !isdigit((unsigned char)s.p[at]))
		return NULL;
	d = at + span(s, at, DIGITS "_");
	if (d < s.n && s.p[d] == '.') {
		end = d + 1 + span(s, d + 1, DIGITS "_");
		return end + span_exponent(s, end) == s.n ? plain_float(h, s) : NULL;
	}
	end = d + span_sixty(s, d);
	if (end > d && end < s.n && s.p[end] == '.' && end + 1 + span(s, end + 1, DIGITS "_") == s.n) {
		double f = sixty_of(s, at);

		return value_float(h, s.p[0] == '-' ? -f : f);
	}
	return NULL;
}

const struct value *yaml_resolve(struct heap *h, struct blob s)
{
	static const char *const nothing[] = {"", "~", "null", "Null", "NULL", NULL};
	static const char *const yes[] = {"yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", NULL};
	static const char *const no[] = {"no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF", NULL};
	static const char first[] = "~nNyYtToOfF-+0123456789.";
	const struct value *v;

	/* Most texts begin with no character that one of the words or a number begins with. */
	if (s.n && !memchr(first, s.p[0], sizeof(first) - 1))
		return value_blob(h, s);
	if (one_of(s, nothing))
		return value_none();
	if (one_of(s, yes))
		return value_bool(true);
	if (one_of(s, no))
		return value_bool(false);
	if ((v = as_int(h, s)) || (v = as_float(h, s)))
		return v;
	return value_blob(h, s);
}
