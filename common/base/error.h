/*
 * What went wrong, for a person: the object, the cause and what to do about it. Libraries fill a struct error that
 * the caller passes (NULL is allowed: nothing is kept); the program prints it, one line.
 */
#pragma once

#include "common/base/blob.h"
#include "common/base/cleanup.h"

struct strbuf;

struct error {
	char *object, *cause, *remedy; /* remedy may be NULL */
};

/*
 * Keeps object, remedy (may be NULL) and the formatted cause, replacing what was there. Returns `code`, a negative
 * errno, so that a library can `return error_set(...)`.
 */
int error_set(struct error *err, int code, const char *object, const char *remedy, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* The cause is strerror(-code), after `doing` ("cannot open: No such file or directory"). Returns code. */
int error_errno(struct error *err, int code, const char *object, const char *doing);
/* Puts "name: " before the object, as an error passes an outer layer. */
void error_prefix(struct error *err, const char *name);
/* Prints `program: object: cause; remedy` to stderr, control characters as \xNN. */
void error_print(const char *program, const struct error *err);
void error_free(struct error *err);
/* For another process: appends object, cause and remedy, each with its NUL. */
void error_pack(const struct error *err, struct strbuf *out);
/* Keeps what error_pack() wrote, or as much as came of it; no cause: strerror(-code). Returns code. */
int error_unpack(struct error *err, int code, struct blob packed);

#define _cleanup_error_ _cleanup_(error_free)
