/* A list of strings that it owns; v is NULL-terminated once something was pushed, so it serves as an argv. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/base/cleanup.h"

struct strv {
	char **v;
	size_t n;
};

void strv_push(struct strv *s, const char *text);
/* Takes the allocated string over. */
void strv_push_take(struct strv *s, char *text);
void strv_pushf(struct strv *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Byte order. */
void strv_sort(struct strv *s);
bool strv_contains(const struct strv *s, const char *text);
/* The same of a NULL-terminated list, which may be NULL. */
bool list_has(const char *const *list, const char *text);
void strv_free(struct strv *s);

#define _cleanup_strv_ _cleanup_(strv_free)
