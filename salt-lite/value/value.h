/*
 * The values that YAML and templates work with: those of Python that Salt shows its users. Everything lives in the
 * heap's arena and goes with it. Failures leave by heap_fail(), which returns to the nearest HEAP_TRY.
 */
#pragma once

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/error.h"

enum value_kind { V_UNDEFINED, V_NONE, V_BOOL, V_INT, V_FLOAT, V_STRING, V_LIST, V_TUPLE, V_MAP, V_FUNCTION };

enum { VALUE_DEPTH_MAX = 100, STRING_MAX = 16 << 20 };

struct heap;
struct value;
struct call;
typedef const struct value *(*value_function)(struct heap *h, const struct value *self, const struct call *call);

struct pair {
	const struct value *key, *value;
};

struct value {
	enum value_kind kind;
	bool object;   /* map: attributes are its members, it has no methods (loop, namespace, a module) */
	unsigned line; /* where it stood in its document; 0: nowhere */
	union {
		bool b;
		int64_t i;
		double f;
		struct blob s;
		struct {
			const struct value **items;
			size_t n, cap;
		} list;
		struct {
			struct pair *pairs;
			uint32_t *index; /* slots of pairs, 1-based; NULL while the map is small */
			size_t n, cap, slots;
		} map;
		struct {
			value_function call;
			const struct value *self;
			const void *data;
			const char *name;
		} function;
	};
};

/* Arguments of a call: by position and by name. */
struct call {
	const struct value *const *args;
	size_t n;
	const struct value *named; /* a map, or NULL */
	const void *data;	   /* of the function that is called */
};

/* Where an evaluation allocates, what it may still use, and where its failures go. */
struct heap {
	struct arena *arena;
	uint64_t bytes, bytes_max;
	struct error *error;
	sigjmp_buf *escape;
	/* Where the template stands; heap_fail() names it. */
	const char *file;
	unsigned line;
	const struct heap_frame *frames;
	void *user;
};

/* One file that made another one run: for the stack in messages. */
struct heap_frame {
	const struct heap_frame *up;
	const char *file;
	unsigned line;
};

void heap_init(struct heap *h, struct arena *a, struct error *err);
void *heap_alloc(struct heap *h, size_t n) __attribute__((returns_nonnull));
_Noreturn void heap_fail(struct heap *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* As heap_fail(), with a remedy. */
_Noreturn void heap_fail_remedy(struct heap *h, const char *remedy, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/*
 * Runs fn(h, data) so that a failure in it comes back here: 0, or -EINVAL with h's error filled. Nothing of the callee
 * may own memory outside the arena.
 */
int heap_try(struct heap *h, void (*fn)(struct heap *h, void *data), void *data);

const struct value *value_undefined(struct heap *h, const char *name);
const struct value *value_none(void);
const struct value *value_bool(bool b);
const struct value *value_int(struct heap *h, int64_t i);
const struct value *value_float(struct heap *h, double f);
const struct value *value_string(struct heap *h, const char *text);
const struct value *value_blob(struct heap *h, struct blob text); /* copies */
const struct value *value_format(struct heap *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const struct value *value_function_new(struct heap *h, const char *name, value_function fn, const struct value *self,
				       const void *data);

struct value *list_new(struct heap *h);
void list_push(struct heap *h, struct value *list, const struct value *item);
/* Is one of the items that text? What is no list has none. */
bool list_holds(const struct value *list, struct blob text);
/* The items as "a,b". */
const char *list_joined(struct heap *h, const struct value *list);
struct value *map_new(struct heap *h);
struct value *map_copy(struct heap *h, const struct value *map);
void map_set(struct heap *h, struct value *map, const struct value *key, const struct value *value);
void map_set_str(struct heap *h, struct value *map, const char *key, const struct value *value);
/* The member, or NULL; `map` may be NULL or no map. */
const struct value *map_get(const struct value *map, const struct value *key);
const struct value *map_get_str(const struct value *map, const char *key);
/* The members of `more` over those of `into`: mappings member by member, everything else is replaced. */
void map_merge(struct heap *h, struct value *into, const struct value *more);
void map_remove(struct value *map, const struct value *key);

bool value_is_list(const struct value *v); /* a list or a tuple */
bool value_is_number(const struct value *v);
bool value_true(const struct value *v);
bool value_equal(const struct value *a, const struct value *b);
/* Python's order; fails for kinds that have none. */
int value_compare(struct heap *h, const struct value *a, const struct value *b);
double value_number(const struct value *v);
bool value_is_str(const struct value *v, const char *text);
/* str(): what {{ v }} prints. */
struct blob value_text(struct heap *h, const struct value *v);
/* The same, NUL-terminated. */
const char *value_cstr(struct heap *h, const struct value *v);
/* repr(). */
struct blob value_repr(struct heap *h, const struct value *v);
/* What a person calls the kind: "a list". */
const char *value_kind_name(const struct value *v);

/* A text that grows in the heap; nothing to free. */
struct text {
	char *p;
	size_t n, cap;
};

void text_add(struct heap *h, struct text *t, struct blob piece);
void text_add_str(struct heap *h, struct text *t, const char *piece);
void text_add_char(struct heap *h, struct text *t, char c);
void text_printf(struct heap *h, struct text *t, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
struct blob text_blob(const struct text *t);

static inline bool blob_is(struct blob b, const char *s)
{
	return blob_eq_str(b, s);
}
