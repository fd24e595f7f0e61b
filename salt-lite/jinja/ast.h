/* The tree of a template. */
#pragma once

#include "salt-lite/jinja/token.h"

enum node_kind {
	/* expressions */
	N_CONST, /* value */
	N_NAME,	 /* name */
	N_ATTR,	 /* a . name */
	N_ITEM,	 /* a [ b ] */
	N_SLICE, /* a [ list[0] : list[1] : list[2] ], each may be NULL */
	N_CALL,	 /* a ( arguments ) */
	N_FILTER, /* a | name ( arguments ) */
	N_TEST,	 /* a is name ( arguments ) */
	N_NOT,
	N_AND,
	N_OR,
	N_UNARY, /* name: "-" or "+" */
	N_BINARY, /* a name b */
	N_COMPARE, /* list[0] names[0] list[1] names[1] list[2] ... */
	N_CONDITION, /* a if b else c (may be NULL) */
	N_LIST,
	N_TUPLE,
	N_DICT, /* list: key, value, key, value */
	/* statements */
	N_DATA, /* value */
	N_PRINT, /* a */
	N_BLOCK, /* list */
	N_IF,	 /* list: condition, body, condition, body ...; b: else */
	N_FOR,	 /* a: target, b: iterable, c: condition; list[0] body, list[1] else (may be NULL) */
	N_SET,	 /* a: target, b: value */
	N_SET_BLOCK, /* a: target, b: body; list: filters */
	N_MACRO, /* name; list: defaults of the last parameters; names: parameters; b: body */
	N_CALL_BLOCK, /* a: call; b: the macro that is `caller` */
	N_INCLUDE, /* a: name; flag: ignore missing; flag2: with context */
	N_IMPORT, /* a: name; name: as; flag2: with context */
	N_FROM,	 /* a: name; names: name, as, name, as ...; flag2: with context */
	N_DO,	 /* a */
	N_LOAD,	 /* name: yaml, json, text; names[0]: as; b: body */
	N_IMPORT_DATA, /* name: yaml, json, text; names[0]: as; a: file name */
	N_FILTER_BLOCK, /* a: filters over N_CONST NULL; b: body */
	N_WITH,	 /* list: target, value ...; b: body */
	N_BREAK,
	N_CONTINUE,
};

enum { USES_VARARGS = 1, USES_KWARGS = 2, USES_CALLER = 4 };

struct node {
	enum node_kind kind;
	unsigned line;
	bool flag, flag2;
	unsigned uses; /* N_MACRO */
	const char *name;
	const struct value *value;
	struct node *a, *b, *c;
	struct node **list;
	size_t n;
	const char **names;
	size_t n_names;
	/* calls: list holds the arguments by position, then those by name, whose names are in names */
};

struct parser {
	struct heap *h;
	struct tokens tokens;
	size_t at;
	unsigned depth, uses, loops;
};

struct node *jinja_parse(struct heap *h, struct blob text);

/* Shared by the parser's two halves. */
const struct token *peek(const struct parser *p);
const struct token *take(struct parser *p);
bool is_op(const struct parser *p, const char *op);
bool is_word(const struct parser *p, const char *word);
bool accept_op(struct parser *p, const char *op);
bool accept_word(struct parser *p, const char *word);
void expect_op(struct parser *p, const char *op);
const char *expect_name(struct parser *p);
struct node *node_new(struct parser *p, enum node_kind kind);
void node_push(struct parser *p, struct node *n, struct node *child);
void node_name(struct parser *p, struct node *n, const char *name);
void parse_enter(struct parser *p);
void parse_leave(struct parser *p);
struct node *parse_expression(struct parser *p);
/* Without the inline if, which a for loop's own `if` would be taken for. */
struct node *parse_or(struct parser *p);
/* "a, b": a tuple; "a": what it is. */
struct node *parse_tuple(struct parser *p, struct node *(*item)(struct parser *p));
struct node *parse_target(struct parser *p);
/* "|name(args)" again and again over `node`. */
struct node *parse_filters(struct parser *p, struct node *node);
struct node *parse_filter_named(struct parser *p, struct node *node);
