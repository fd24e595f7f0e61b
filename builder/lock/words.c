#include "builder/lock/words.h"

#include <string.h>

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* 1 to max letters and digits, and those of `more` after the first character. */
static bool is_made_of(struct blob w, size_t max, const char *more)
{
	if (!w.n || w.n > max || !is_alnum(w.p[0]))
		return false;
	for (size_t i = 1; i < w.n; i++)
		if (!is_alnum(w.p[i]) && !(w.p[i] && strchr(more, w.p[i])))
			return false;
	return true;
}

bool word_is_package(struct blob w)
{
	for (size_t i = 0; i < w.n; i++)
		if (w.p[i] >= 'A' && w.p[i] <= 'Z')
			return false;
	return is_made_of(w, 200, "+-.");
}

bool word_is_version(struct blob w)
{
	return is_made_of(w, 200, ".+-~:");
}

bool word_is_arch(struct blob w)
{
	return is_made_of(w, 32, "-");
}

bool word_is_suite(struct blob w)
{
	return is_made_of(w, 100, "._-+");
}

bool word_is_path(struct blob w)
{
	struct blob part, rest = w;

	if (!w.n || w.n > 1000 || w.p[0] == '/' || w.p[w.n - 1] == '/')
		return false;
	for (size_t i = 0; i < w.n; i++)
		if (!is_alnum(w.p[i]) && !(w.p[i] && strchr("/._-+~:", w.p[i])))
			return false;
	while (blob_token(&rest, '/', &part))
		if (!part.n || blob_eq_str(part, ".") || blob_eq_str(part, ".."))
			return false;
	return true;
}
