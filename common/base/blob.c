#include "common/base/blob.h"

#include "common/base/alloc.h"

bool blob_eq(struct blob a, struct blob b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool blob_eq_str(struct blob a, const char *s)
{
	/* Most of what a table is searched for ends here. */
	if (a.n && s && a.p[0] != s[0])
		return false;
	return blob_eq(a, blob_of(s));
}

int blob_cmp(struct blob a, struct blob b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int diff = n ? memcmp(a.p, b.p, n) : 0;

	if (diff)
		return diff;
	return (a.n > b.n) - (a.n < b.n);
}

bool blob_has_prefix(struct blob b, const char *prefix)
{
	size_t n = strlen(prefix);

	return b.n >= n && memcmp(b.p, prefix, n) == 0;
}

bool blob_has_suffix(struct blob b, const char *suffix)
{
	size_t n = strlen(suffix);

	return b.n >= n && memcmp(b.p + b.n - n, suffix, n) == 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct blob blob_trim(struct blob b)
{
	while (b.n && is_blank(b.p[0])) {
		b.p++;
		b.n--;
	}
	while (b.n && is_blank(b.p[b.n - 1]))
		b.n--;
	return b;
}

bool blob_token(struct blob *rest, char separator, struct blob *token)
{
	const char *end;

	*token = (struct blob){rest->p, 0};
	if (!rest->n)
		return false;
	end = memchr(rest->p, separator, rest->n);
	*token = (struct blob){rest->p, end ? (size_t)(end - rest->p) : rest->n};
	rest->p += token->n + (end ? 1 : 0);
	rest->n -= token->n + (end ? 1 : 0);
	return true;
}

bool blob_word(struct blob *rest, struct blob *word)
{
	while (rest->n && is_blank(rest->p[0])) {
		rest->p++;
		rest->n--;
	}
	*word = (struct blob){rest->p, 0};
	if (!rest->n)
		return false;
	while (word->n < rest->n && !is_blank(rest->p[word->n]))
		word->n++;
	rest->p += word->n;
	rest->n -= word->n;
	return true;
}

struct blob blob_last_line(struct blob text)
{
	struct blob line = {0}, token;

	while (blob_token(&text, '\n', &token))
		if (blob_trim(token).n)
			line = blob_trim(token);
	return line;
}

bool blob_has_word(struct blob list, const char *word)
{
	struct blob w;

	while (blob_word(&list, &w))
		if (blob_eq_str(w, word))
			return true;
	return false;
}

bool blob_to_u64(struct blob b, uint64_t max, uint64_t *value)
{
	uint64_t v = 0;

	if (!b.n)
		return false;
	for (size_t i = 0; i < b.n; i++) {
		uint64_t digit = (uint64_t)(b.p[i] - '0');

		if (b.p[i] < '0' || b.p[i] > '9')
			return false;
		if (__builtin_mul_overflow(v, (uint64_t)10, &v) || __builtin_add_overflow(v, digit, &v))
			return false;
	}
	if (v > max)
		return false;
	*value = v;
	return true;
}

char *blob_dup(struct blob b)
{
	return xstrndup(b.p ? b.p : "", b.n);
}
