/*
 * The text under a step's key (store_input), read again: which of its lines are others than those
 * of an earlier text, in words for people.
 */
#pragma once

#include "common/base/blob.h"
#include "common/base/strv.h"

/* Appends a sentence for each difference, those of `now` in its order, then what is gone. */
void inputs_differences(struct blob before, struct blob now, struct strv *sentences);
/* "a, b, c and 4 more"; the caller's. */
char *inputs_summary(const struct strv *sentences);
