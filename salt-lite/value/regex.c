#define PCRE2_CODE_UNIT_WIDTH 8
#include "salt-lite/value/regex.h"

#include <ctype.h>
#include <pcre2.h>

#include "common/base/alloc.h"

enum { MATCH_LIMIT = 1000000 };

struct regex {
	pcre2_code *code;
	pcre2_match_data *match;
	pcre2_match_context *context;
};

static void regex_free(struct regex *r)
{
	pcre2_match_context_free(r->context);
	pcre2_match_data_free(r->match);
	pcre2_code_free(r->code);
}

static struct regex regex_compile(struct heap *h, const char *pattern, unsigned flags)
{
	uint32_t options = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_MATCH_INVALID_UTF;
	struct regex r = {0};
	PCRE2_SIZE at;
	int code;

	options |= (flags & REGEX_MULTILINE ? PCRE2_MULTILINE : 0) | (flags & REGEX_ICASE ? PCRE2_CASELESS : 0) |
		   (flags & REGEX_DOTALL ? PCRE2_DOTALL : 0);
	r.code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &code, &at, NULL);
	if (!r.code) {
		char message[120];

		pcre2_get_error_message(code, (PCRE2_UCHAR *)message, sizeof(message));
		heap_fail(h, "the regular expression '%s' is wrong at character %zu: %s", pattern, at, message);
	}
	r.match = pcre2_match_data_create_from_pattern(r.code, NULL);
	r.context = pcre2_match_context_create(NULL);
	pcre2_set_match_limit(r.context, MATCH_LIMIT);
	pcre2_set_depth_limit(r.context, MATCH_LIMIT);
	return r;
}

/* Number of groups, or 0: no match. Frees r before it fails. */
static int run(struct heap *h, struct regex *r, const char *pattern, struct blob in, size_t from, uint32_t options)
{
	int n = pcre2_match(r->code, (PCRE2_SPTR)in.p, in.n, from, options, r->match, r->context);

	if (n == PCRE2_ERROR_NOMATCH)
		return 0;
	if (n < 0) {
		regex_free(r);
		heap_fail(h, "the regular expression '%s' takes too long on this text", pattern);
	}
	return n;
}

static struct blob group(const struct regex *r, struct blob in, unsigned i)
{
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(r->match);

	if (i >= pcre2_get_ovector_count(r->match) || at[2 * i] == PCRE2_UNSET)
		return (struct blob){0};
	return (struct blob){in.p + at[2 * i], at[2 * i + 1] - at[2 * i]};
}

static size_t expand_name(const struct regex *r, struct blob by, size_t at, struct blob *name)
{
	const char *end = memchr(by.p + at, '>', by.n - at);
	char text[64];
	size_t n;

	if (!end || (n = (size_t)(end - (by.p + at))) >= sizeof(text))
		return 0;
	memcpy(text, by.p + at, n);
	text[n] = 0;
	*name = (struct blob){NULL, isdigit((unsigned char)text[0])
					    ? (size_t)atoi(text)
					    : (size_t)pcre2_substring_number_from_name(r->code, (PCRE2_SPTR)text)};
	return at + n + 1;
}

static void expand(struct heap *h, const struct regex *r, struct blob in, struct blob by, struct text *out)
{
	for (size_t i = 0; i < by.n; i++) {
		struct blob name;
		size_t after;
		char c = i + 1 < by.n ? by.p[i + 1] : 0;

		if (by.p[i] != '\\' || !c) {
			text_add_char(h, out, by.p[i]);
		} else if (isdigit((unsigned char)c)) {
			text_add(h, out, group(r, in, (unsigned)(c - '0')));
			i++;
		} else if (c == 'g' && i + 2 < by.n && by.p[i + 2] == '<' &&
			   (after = expand_name(r, by, i + 3, &name))) {
			text_add(h, out, group(r, in, (unsigned)name.n));
			i = after - 1;
		} else {
			text_add_char(h, out, c == 'n' ? '\n' : c == 't' ? '\t' : c);
			i++;
		}
	}
}

struct replacement {
	struct regex regex;
	const char *pattern;
	struct blob in, by;
	uint64_t limit, count;
	struct text out;
};

static void replace_all(struct heap *h, void *data)
{
	struct replacement *p = data;
	size_t at = 0, copied = 0;

	while (at <= p->in.n && (!p->limit || p->count < p->limit) &&
	       run(h, &p->regex, p->pattern, p->in, at, 0) > 0) {
		struct blob whole = group(&p->regex, p->in, 0);
		size_t start = (size_t)(whole.p - p->in.p), end = start + whole.n;

		text_add(h, &p->out, (struct blob){p->in.p + copied, start - copied});
		expand(h, &p->regex, p->in, p->by, &p->out);
		p->count++;
		copied = end;
		at = whole.n ? end : end + 1;
	}
	text_add(h, &p->out, (struct blob){p->in.p + copied, p->in.n - copied});
}

struct blob regex_replace(struct heap *h, const char *pattern, unsigned flags, struct blob in, struct blob by,
			  uint64_t limit)
{
	struct replacement p = {.pattern = pattern, .in = in.p ? in : BLOB(""), .by = by, .limit = limit};

	p.regex = regex_compile(h, pattern, flags);
	replace_all(h, &p);
	regex_free(&p.regex);
	return text_blob(&p.out);
}

const struct value *regex_match(struct heap *h, const char *pattern, unsigned flags, struct blob in, bool at_start)
{
	struct regex r = regex_compile(h, pattern, flags);
	struct value *groups = NULL;
	int n;

	in = in.p ? in : BLOB("");
	n = run(h, &r, pattern, in, 0, at_start ? PCRE2_ANCHORED : 0);
	if (n > 0) {
		groups = list_new(h);
		for (unsigned i = 1; i < pcre2_get_ovector_count(r.match); i++) {
			struct blob g = group(&r, in, i);

			list_push(h, groups, g.p ? value_blob(h, g) : value_none());
		}
		groups->kind = V_TUPLE;
	}
	regex_free(&r);
	return groups;
}

bool regex_found(struct heap *h, const char *pattern, unsigned flags, struct blob in)
{
	return regex_match(h, pattern, flags, in, false) != NULL;
}
