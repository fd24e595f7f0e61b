/* Rows for people and for programs: see qvm.h. */
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "runtime/qvm/qvm.h"

void qvm_table_add(struct qvm_table *t, const char *cell)
{
	t->cells = xreallocarray(t->cells, t->n + 1, sizeof(*t->cells));
	t->cells[t->n++] = xstrdup(cell ? cell : "");
}

void qvm_table_add_info(struct qvm_table *t, const struct strbuf *info)
{
	struct blob rest = strbuf_blob(info), line, key;

	while (blob_token(&rest, '\n', &line)) {
		_cleanup_free_ char *name = NULL, *value = NULL;

		blob_token(&line, '=', &key);
		name = blob_dup(key);
		value = blob_dup(line);
		qvm_table_add(t, name);
		qvm_table_add(t, value);
	}
}

void qvm_table_free(struct qvm_table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct qvm_table){0};
}

static size_t columns(const struct qvm_table *t)
{
	size_t n = 0;

	while (t->head[n])
		n++;
	return n;
}

static void print_json(const struct qvm_table *t)
{
	size_t wide = columns(t);
	json_t *list = json_array();

	for (size_t at = 0; at + wide <= t->n; at += wide) {
		json_t *row = json_object();

		for (size_t c = 0; c < wide; c++)
			json_object_set_new(row, t->head[c], json_string(t->cells[at + c]));
		json_array_append_new(list, row);
	}
	json_dumpf(list, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(list);
}

static void print_row(char *const *cells, const int *width, size_t wide)
{
	for (size_t c = 0; c + 1 < wide; c++)
		printf("%-*s  ", width[c], cells[c]);
	printf("%s\n", cells[wide - 1]);
}

void qvm_table_print(const struct qvm_table *t, bool as_json, bool with_head)
{
	size_t wide = columns(t);
	_cleanup_free_ int *width = xcalloc(wide, sizeof(int));

	if (as_json) {
		print_json(t);
		return;
	}
	for (size_t i = 0; i < t->n; i++)
		if ((int)strlen(t->cells[i]) > width[i % wide])
			width[i % wide] = (int)strlen(t->cells[i]);
	if (with_head) {
		_cleanup_strv_ struct strv head = {0};

		for (size_t c = 0; c < wide; c++) {
			char *name = xstrdup(t->head[c]);

			for (char *p = name; *p; p++)
				*p = (char)toupper((unsigned char)*p);
			strv_push_take(&head, name);
			width[c] = (int)strlen(name) > width[c] ? (int)strlen(name) : width[c];
		}
		print_row(head.v, width, wide);
	}
	for (size_t at = 0; at + wide <= t->n; at += wide)
		print_row(t->cells + at, width, wide);
}
