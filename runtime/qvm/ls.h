/* The rows of qvm-ls: what is known of each qube, and what is asked for only when a column or a filter needs it. */
#pragma once

#include "runtime/qvm/qvm.h"

/* What a qube answered to METHOD+ARGUMENT; not there: it has no such thing. */
struct ls_answer {
	const char *method, *argument;
	bool there;
	struct strbuf text;
};

struct ls_row {
	const struct qvm_vm *vm;
	size_t depth; /* in the tree of netvms; a qube without one has 0 */
	struct ls_answer *answers;
	size_t n_answers;
};

struct ls_rows {
	struct ls_row *v;
	size_t n;
};

#define LS_PROPERTIES "admin.vm.property.GetAll"
#define LS_FEATURE "admin.vm.feature.Get"
#define LS_TAGS "admin.vm.tag.List"
#define LS_VOLUME "admin.vm.volume.Info"

/* Asks all qubes at once, unless they were asked before. Both strings have to outlive the rows; argument may be NULL. */
void ls_ask(struct ls_rows *rows, const char *method, const char *argument);
/* The answer, or NULL when the qube has none or was not asked. */
const struct strbuf *ls_answer(const struct ls_row *row, const char *method, const char *argument);
/* The value of a property, after LS_PROPERTIES was asked for; p is NULL when the qube has none. */
struct blob ls_property(const struct ls_row *row, const char *name);
/* What the column needs. */
void ls_ask_for_column(struct ls_rows *rows, const char *column);
/* The text of a cell, or NULL for none; allocated. */
char *ls_cell(const struct ls_row *row, const char *column);
/* Drops the rows that are not wanted. */
void ls_keep(struct ls_rows *rows, bool (*wanted)(const struct ls_row *row, const void *user), const void *user);
void ls_rows_free(struct ls_rows *rows);
#define _cleanup_rows_ _cleanup_(ls_rows_free)

/* The options that choose qubes; NULL and empty lists choose all. */
struct ls_filter {
	struct strv classes, labels, tags, without_tags, templates, netvms; /* words, or WORD,WORD... */
	const char *internal, *servicevm;
	bool running, paused, halted, pending_update;
	struct strv features, properties; /* NAME=VALUE */
	struct strv excluded;
};

/* What is wrong with the options, or NULL; cuts NAME=VALUE in two where they lie. Once, before ls_choose(). */
const char *ls_filter_check(struct ls_filter *f);
/* Those of the list which the filter and the names, if there are any, choose. */
void ls_choose(const struct ls_filter *f, const struct qvm_list *list, const struct strv *names, struct ls_rows *rows);

/* By the text of a column: numbers by their value, names by their bytes or without regard to case. */
void ls_sort(struct ls_rows *rows, const char *column, bool ignore_case, bool reverse);
/* Each qube after its netvm, as deep as it is away from the first; the order among clients stays. */
void ls_tree(struct ls_rows *rows);
