/* Kinds of devices that a qube never gets: its property devices_denied, codes of seven characters. */
#pragma once

#include "runtime/qubesd/model.h"

enum { DENIED_CODE = 7 };

/* Class letter b, m, p, u or *, then six hexadecimal digits or *. */
bool denied_code_valid(struct blob code);
/* Is one of the codes in `interfaces` (may be NULL) denied to the qube? */
bool denied_matches(const struct model *m, const struct vm *vm, const char *interfaces);
