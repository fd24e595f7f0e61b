#pragma once
/*
 * Words of a policy that stand for qubes (ref: runtime.md 3.8): a name, a UUID, `*` or a keyword with '@'. Which of them may
 * stand where is decided when the file is read, so that a rule that exists can always be evaluated.
 */
#include <stdbool.h>

#include "common/base/arena.h"
#include "common/base/blob.h"

enum token_kind {
	TOKEN_NAME,	  /* also uuid:UUID */
	TOKEN_ANY,	  /* * */
	TOKEN_ADMINVM,	  /* @adminvm, dom0 */
	TOKEN_ANYVM,	  /* @anyvm */
	TOKEN_DEFAULT,	  /* @default */
	TOKEN_TYPE,	  /* @type:CLASS */
	TOKEN_TAG,	  /* @tag:TAG */
	TOKEN_DISPVM,	  /* @dispvm */
	TOKEN_DISPVM_OF,  /* @dispvm:NAME, @dispvm:uuid:UUID */
	TOKEN_DISPVM_TAG, /* @dispvm:@tag:TAG */
};

enum token_place {
	TOKEN_SOURCE = 1,
	TOKEN_TARGET = 2,
	TOKEN_REDIRECT = 4, /* target=, default_target= */
	TOKEN_INTENDED = 8, /* what a caller asks for */
};

struct token {
	enum token_kind kind;
	const char *name; /* behind the prefix; the name or "uuid:..." itself for TOKEN_NAME; NULL for plain keywords */
};

/* False for what is no token, or none for this place, and *why then is a constant text. */
bool token_parse(struct arena *a, struct blob text, enum token_place place, struct token *t, const char **why);

/* Whether all bytes are letters, digits or of `further`, and there is one. */
bool word_ok(struct blob text, const char *further);
