/*
 * What the last build of a step was made from and how long it took: STORE/last/<id>, one small file
 * a step. For people (--plan, time to go), and for what `bulkhead gc` keeps: a build gives the same
 * without it.
 */
#pragma once

#include <stdint.h>

#include "builder/store.h"
#include "common/base/strmap.h"

struct history {
	struct strbuf inputs;
	int64_t ms; /* -1: not known */
};

/* 0, or -ENOENT: the step was never built with this store. Freed with history_free. */
int history_read(const struct store *s, const char *id, struct history *h);
void history_free(struct history *h);
/* Nothing is written when it says so already. ms -1: it was found, not made; the last time stays. */
void history_write(const struct store *s, const char *id, const struct strbuf *inputs, int64_t ms);

/* Puts the key of each step's last build into *keys (with a value that is not NULL). 0 or -errno. */
int history_keys(const struct store *s, struct strmap *keys);

#define _cleanup_history_ _cleanup_(history_free)
