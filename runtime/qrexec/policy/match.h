#pragma once
/* Whether tokens of rules fit qubes; inside this folder. */
#include "runtime/qrexec/policy/evaluate.h"

/* The place a redirect or a caller names. False when there is no such qube, or no disposables of it are allowed. */
bool place_of_token(const struct system_info *s, const struct qube *source, const struct token *t, struct place *p);
bool match_source(const struct system_info *s, const struct token *t, const struct qube *source);
bool match_target(const struct system_info *s, const struct token *t, const struct place *p, const struct qube *source);
bool place_equal(const struct place *a, const struct place *b);
