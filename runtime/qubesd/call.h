/*
 * One request of the Admin API (ref/runtime.md 7.1, 7.2): parsed, dispatched through the table of
 * methods, answered now or later.
 */
#pragma once

#include "common/base/arena.h"
#include "common/base/strbuf.h"
#include "runtime/qubesd/daemon.h"
#include "runtime/qubesd/request.h"

struct connection;

struct call {
	struct qubesd *d;
	struct connection *connection; /* NULL once the client is gone */
	struct arena *arena;
	struct request request;
	struct vm *source, *target;
	bool dispatching, finished; /* answered while its method still ran */
	struct strbuf out;	    /* the answer's data */
	void *extra;		    /* what a method keeps until later; from the arena */
	const char *exception;	    /* NULL: success */
	const char *message;
};

/* What a method's function returns. */
enum call_result {
	CALL_DONE,	/* answered: out, or an exception */
	CALL_LATER,	/* call_finish() will come */
	CALL_SUBSCRIBE, /* the connection stays open for events */
	CALL_STATS,	/* or for what running qubes use */
	CALL_ABORT,	/* close without a word: not permitted or malformed */
};

typedef enum call_result (*call_fn)(struct call *c);

enum {
	ARGUMENT = 1,
	ARGUMENT_OPTIONAL = 2,
	PAYLOAD = 4,
	PAYLOAD_OPTIONAL = 8,
	TO_DOM0 = 16,
	TO_VM = 32,
	TO_ANY = 48,
	EVEN_BROKEN = 64, /* works while qubes.xml cannot be read */
};

struct call_method {
	const char *name; /* NULL ends a table */
	unsigned takes;	  /* of the above */
	call_fn run;
};

/* The tables, a file each; TO_VM alone excludes dom0 as target only where the method says so. */
extern const struct call_method vm_methods[], create_methods[], property_methods[], feature_methods[],
	volume_methods[], import_methods[], pool_methods[], system_methods[], firewall_methods[], device_methods[], block_methods[], denied_methods[],
	notes_methods[], notify_methods[], suspend_methods[], internal_methods[];

/* The request's argument and payload as texts, in the arena of the call. */
const char *call_argument(const struct call *c);
const char *call_payload(const struct call *c);
/* Sets the exception and returns CALL_DONE. */
enum call_result call_raise(struct call *c, const char *exception, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* As call_raise() with `object: cause` of the error. */
enum call_result call_raise_error(struct call *c, const char *exception, const struct error *err);
/* Is the target halted for sure? Raises if not. */
bool call_halted(struct call *c);
/* Saves qubes.xml; false with the exception raised: what was changed for it is to be put back. */
bool call_save(struct call *c);
/* Sets a value, or removes it (NULL), and saves; false with the exception raised and the value as it was. */
bool call_save_value(struct call *c, struct kvlist *l, const char *key, const char *value);
enum call_result call_dispatch(struct call *c);
/* Answers a call that returned CALL_LATER, and frees it. */
void call_finish(struct call *c);
/* Text for a value in a line: `\` and newline escaped. */
void call_add_escaped(struct strbuf *out, const char *value);
