/* Tokens of a template. */
#pragma once

#include "salt-lite/value/value.h"

enum token_kind {
	T_END,
	T_DATA,	 /* text between tags */
	T_PRINT, /* {{ */
	T_PRINT_END,
	T_TAG, /* {% */
	T_TAG_END,
	T_NAME,
	T_STRING, /* value: unescaped */
	T_INT,
	T_FLOAT,
	T_OPERATOR,
};

struct token {
	enum token_kind kind;
	unsigned line;
	struct blob text;
	const struct value *value; /* literals */
};

struct tokens {
	struct token *v;
	size_t n, cap;
};

void jinja_tokens(struct heap *h, struct blob text, struct tokens *out);
