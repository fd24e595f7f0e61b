#include "runtime/qrexec/policy/token.h"

#include <string.h>

#define EVERYWHERE (TOKEN_SOURCE | TOKEN_TARGET | TOKEN_REDIRECT | TOKEN_INTENDED)
#define UUID_SIZE 36
#define ADMINVM_UUID "uuid:00000000-0000-0000-0000-000000000000"

struct keyword {
	const char *text; /* with ':' at its end when something follows */
	enum token_kind kind;
	unsigned places;
};

/* The first that fits counts: the longer before its prefix. */
static const struct keyword keywords[] = {
	{"*", TOKEN_ANY, TOKEN_SOURCE | TOKEN_TARGET},
	{"@adminvm", TOKEN_ADMINVM, EVERYWHERE},
	{"dom0", TOKEN_ADMINVM, EVERYWHERE},
	{ADMINVM_UUID, TOKEN_ADMINVM, EVERYWHERE},
	{"@anyvm", TOKEN_ANYVM, TOKEN_SOURCE | TOKEN_TARGET},
	{"@default", TOKEN_DEFAULT, TOKEN_TARGET | TOKEN_INTENDED},
	{"@type:", TOKEN_TYPE, TOKEN_SOURCE | TOKEN_TARGET},
	{"@tag:", TOKEN_TAG, TOKEN_SOURCE | TOKEN_TARGET},
	{"@dispvm", TOKEN_DISPVM, TOKEN_TARGET | TOKEN_REDIRECT | TOKEN_INTENDED},
	{"@dispvm:@tag:", TOKEN_DISPVM_TAG, TOKEN_TARGET},
	{"@dispvm:", TOKEN_DISPVM_OF, EVERYWHERE},
};

bool word_ok(struct blob text, const char *further)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr(further, c))))
			return false;
	}
	return text.n > 0;
}

static bool uuid_ok(struct blob b)
{
	if (b.n != UUID_SIZE)
		return false;
	for (size_t i = 0; i < b.n; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? b.p[i] != '-' : !memchr("0123456789abcdef", b.p[i], 16))
			return false;
	}
	return true;
}

static bool qube_ok(struct blob text)
{
	if (blob_has_prefix(text, "uuid:"))
		return uuid_ok((struct blob){text.p + 5, text.n - 5});
	return word_ok(text, "_.-") && text.p[0] != '-' && text.p[0] != '.';
}

static bool fits(const struct keyword *k, struct blob text)
{
	return k->text[strlen(k->text) - 1] == ':' ? blob_has_prefix(text, k->text) : blob_eq_str(text, k->text);
}

bool token_parse(struct arena *a, struct blob text, enum token_place place, struct token *t, const char **why)
{
	for (unsigned i = 0; i < sizeof(keywords) / sizeof(*keywords); i++) {
		const struct keyword *k = &keywords[i];
		size_t n = strlen(k->text);
		struct blob rest = {text.p + n, text.n - n};

		if (!fits(k, text))
			continue;
		*t = (struct token){k->kind, NULL};
		*why = "cannot stand here";
		if (!(k->places & place))
			return false;
		if (k->text[n - 1] != ':')
			return true;
		*why = "malformed name behind the keyword";
		if (k->kind == TOKEN_DISPVM_OF ? !qube_ok(rest) : !word_ok(rest, "_.-"))
			return false;
		t->name = arena_strndup(a, rest.p, rest.n);
		return true;
	}
	*why = text.n && text.p[0] == '@' ? "unknown keyword" : "malformed name";
	if (!qube_ok(text))
		return false;
	*t = (struct token){TOKEN_NAME, arena_strndup(a, text.p, text.n)};
	return true;
}
