/*
 * What the last build of a step was made from and how long it took: STORE/last/<id>, one small file
 * a step. Only for people (--plan, time to go): a build gives the same without it.
 */
#pragma once

#include <stdint.h>

#include "builder/store.h"

struct history {
	struct strbuf inputs;
	int64_t ms; /* -1: not known */
};

/* 0, or -ENOENT: the step was never built with this store. Freed with history_free. */
int history_read(const struct store *s, const char *id, struct history *h);
void history_free(struct history *h);
/* Nothing is written when it says so already. ms -1: it was found, not made; the last time stays. */
void history_write(const struct store *s, const char *id, const struct strbuf *inputs, int64_t ms);

#define _cleanup_history_ _cleanup_(history_free)
