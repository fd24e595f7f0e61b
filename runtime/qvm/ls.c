/* qvm-ls. */
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "runtime/qvm/qvm.h"

static const char *format = "simple", *fields, *classes, *labels, *tags;
static bool all, raw_data, raw_list, as_json, running, paused, halted, network, kernels, disk, tree;
static struct strv excluded;

static const struct {
	const char *name, *fields;
} formats[] = {
	{"simple", "name,state,class,label,template,netvm"},
	{"network", "name,state,netvm,ip,gateway"},
	{"kernel", "name,state,class,template,kernel,kernelopts"},
	{"full", "name,state,class,label,qid,xid,uuid"},
	{"prefs", "name,label,template,netvm,memory,maxmem,vcpus,virt_mode,autostart"},
};

/* A qube, with its properties and tags if they are needed. */
struct row {
	const struct qvm_vm *vm;
	struct strbuf properties, tags;
};

/* What the list of qubes itself tells. */
static bool is_listed(const char *field)
{
	return !strcmp(field, "name") || !strcmp(field, "state") || !strcmp(field, "class") || !strcmp(field, "klass") ||
	       !strcmp(field, "uuid");
}

/* The value of a column, or NULL for none. */
static char *cell(const struct row *row, const char *field)
{
	struct blob rest, line, name;

	if (!strcmp(field, "name"))
		return xstrdup(row->vm->name);
	if (!strcmp(field, "state"))
		return xstrdup(row->vm->state);
	if (!strcmp(field, "class") || !strcmp(field, "klass"))
		return xstrdup(row->vm->class);
	if (!strcmp(field, "uuid"))
		return xstrdup(row->vm->uuid);
	rest = strbuf_blob(&row->properties);
	while (blob_token(&rest, '\n', &line)) {
		struct admin_property v;

		if (blob_token(&line, ' ', &name) && blob_eq_str(name, field) &&
		    admin_property_parse(line, &v))
			return v.value.n ? blob_dup(v.value) : NULL;
	}
	return NULL;
}

static bool in_words(const char *words, const char *word)
{
	struct blob rest = blob_of(words), one;

	while (blob_token(&rest, ',', &one))
		if (blob_eq_str(blob_trim(one), word))
			return true;
	return false;
}

static bool tag_wanted(const struct row *row)
{
	struct blob rest = strbuf_blob(&row->tags), tag;

	while (blob_token(&rest, '\n', &tag)) {
		_cleanup_free_ char *text = blob_dup(tag);

		if (in_words(tags, text))
			return true;
	}
	return false;
}

/* As far as the list itself tells. */
static bool wanted(const struct qvm_vm *vm, const struct strv *operands)
{
	bool by_state = running || paused || halted;

	if (operands->n && !strv_contains(operands, vm->name))
		return false;
	if (strv_contains(&excluded, vm->name) || (classes && !in_words(classes, vm->class)))
		return false;
	return !by_state || (running && !strcmp(vm->state, "Running")) ||
	       (paused && !strcmp(vm->state, "Paused")) || (halted && !strcmp(vm->state, "Halted"));
}

static bool wanted_by_label_and_tag(const struct row *row)
{
	if (labels) {
		_cleanup_free_ char *label = cell(row, "label");

		if (!label || !in_words(labels, label))
			return false;
	}
	return !tags || tag_wanted(row);
}

static void row_free(struct row *row)
{
	strbuf_free(&row->properties);
	strbuf_free(&row->tags);
}

/* One method for all rows, its answers to where `field` is in a row. A qube that is gone meanwhile has none. */
static void ask_all(struct row *rows, size_t n, const char *method, size_t field)
{
	_cleanup_free_ struct admin_query *q = xcalloc(n + 1, sizeof(*q));

	for (size_t i = 0; i < n; i++)
		q[i].dest = rows[i].vm->name;
	admin_call_each(&qvm_admin, method, NULL, q, n);
	for (size_t i = 0; i < n; i++) {
		struct strbuf *answer = (struct strbuf *)((char *)&rows[i] + field);

		if (q[i].r != 0 && !(q[i].r == -EREMOTEIO && !strcmp(q[i].err.type, "QubesVMNotFoundError")))
			qvm_report(q[i].dest, q[i].r, &q[i].err);
		*answer = q[i].out;
		q[i].out = (struct strbuf){0};
		admin_query_free(&q[i]);
	}
}

static void split_fields(struct strv *out)
{
	struct blob rest = blob_of(fields), one;

	while (blob_token(&rest, ',', &one)) {
		char *field = blob_dup(blob_trim(one));

		for (char *p = field; *p; p++)
			*p = (char)tolower((unsigned char)*p);
		strv_push_take(out, field);
	}
}

static void upper(const char *text, int width)
{
	for (const char *p = text; *p; p++)
		putchar(toupper((unsigned char)*p));
	for (int n = (int)strlen(text); n < width; n++)
		putchar(' ');
}

/* Columns as wide as their widest cell, two blanks between them, none at the end. */
static void print_table(const struct strv *columns, char *const *cells, size_t rows)
{
	_cleanup_free_ int *width = xcalloc(columns->n, sizeof(int));

	for (size_t c = 0; c < columns->n; c++) {
		width[c] = (int)strlen(columns->v[c]);
		for (size_t r = 0; r < rows; r++) {
			const char *text = cells[r * columns->n + c];
			int n = text ? (int)strlen(text) : 1;

			width[c] = n > width[c] ? n : width[c];
		}
	}
	for (size_t c = 0; c < columns->n; c++)
		upper(columns->v[c], c + 1 < columns->n ? width[c] + 2 : 0);
	putchar('\n');
	for (size_t r = 0; r < rows; r++)
		for (size_t c = 0; c < columns->n; c++) {
			const char *text = cells[r * columns->n + c];

			if (c + 1 < columns->n)
				printf("%-*s  ", width[c], text ? text : "-");
			else
				printf("%s\n", text ? text : "-");
		}
}

static void print_raw(const struct strv *columns, char *const *cells, size_t rows)
{
	for (size_t r = 0; r < rows; r++)
		for (size_t c = 0; c < columns->n; c++) {
			const char *text = cells[r * columns->n + c];

			printf("%s%c", text ? text : "-", c + 1 < columns->n ? '|' : '\n');
		}
}

static void print_json(const struct strv *columns, char *const *cells, size_t rows)
{
	json_t *list = json_array();

	for (size_t r = 0; r < rows; r++) {
		json_t *object = json_object();

		for (size_t c = 0; c < columns->n; c++) {
			const char *text = cells[r * columns->n + c];

			json_object_set_new(object, columns->v[c],
					    text ? json_string(text) : json_null());
		}
		json_array_append_new(list, object);
	}
	json_dumpf(list, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(list);
}

static int choose_fields(const struct command_line *cmd)
{
	if (network)
		format = "network";
	if (kernels)
		format = "kernel";
	if (raw_list)
		fields = "name";
	for (size_t i = 0; !fields && i < sizeof(formats) / sizeof(*formats); i++)
		if (!strcmp(format, formats[i].name))
			fields = formats[i].fields;
	if (fields)
		return 0;
	return options_wrong(cmd, "no such format: '%s'", format);
}

/* The rows to be shown with what they need; the number of them. */
static size_t collect(const struct qvm_list *list, const struct strv *operands, const struct strv *columns,
		      struct row *rows)
{
	bool properties = labels;
	size_t n = 0, kept = 0;

	for (size_t c = 0; c < columns->n; c++)
		properties |= !is_listed(columns->v[c]);
	for (size_t i = 0; i < list->n; i++)
		if (wanted(&list->v[i], operands))
			rows[n++].vm = &list->v[i];
	if (properties)
		ask_all(rows, n, "admin.vm.property.GetAll", offsetof(struct row, properties));
	if (tags)
		ask_all(rows, n, "admin.vm.tag.List", offsetof(struct row, tags));
	for (size_t i = 0; i < n; i++) {
		if (wanted_by_label_and_tag(&rows[i]))
			rows[kept++] = rows[i];
		else
			row_free(&rows[i]);
	}
	return kept;
}

static int print(const struct qvm_list *list, const struct strv *operands)
{
	_cleanup_strv_ struct strv columns = {0};
	_cleanup_free_ struct row *rows = xcalloc(list->n + 1, sizeof(*rows));
	char **cells;
	size_t n;

	split_fields(&columns);
	n = collect(list, operands, &columns, rows);
	cells = xcalloc(n * columns.n + 1, sizeof(*cells));
	for (size_t i = 0; i < n; i++) {
		for (size_t c = 0; c < columns.n; c++)
			cells[i * columns.n + c] = cell(&rows[i], columns.v[c]);
		row_free(&rows[i]);
	}
	if (as_json)
		print_json(&columns, cells, n);
	else if (raw_list || raw_data)
		print_raw(&columns, cells, n);
	else
		print_table(&columns, cells, n);
	for (size_t i = 0; i < n * columns.n; i++)
		free(cells[i]);
	free(cells);
	return 0;
}

int qvm_ls(int argc, char **argv)
{
	static const struct option_def options[] = {
		QVM_COMMON,
		{"all", 0, OPTION_FLAG, &all, NULL, "every qube (default)"},
		{"exclude", 0, OPTION_LIST, &excluded, "VM", "not this one"},
		{"format", 'o', OPTION_STRING, &format, "FORMAT",
		 "simple, network, kernel, full, prefs"},
		{"fields", 'O', OPTION_STRING, &fields, "FIELD,...",
		 "columns: name, state, class, uuid, properties"},
		{"network", 'n', OPTION_FLAG, &network, NULL, "the same as --format network"},
		{"kernel", 'k', OPTION_FLAG, &kernels, NULL, "the same as --format kernel"},
		{"disk", 'd', OPTION_FLAG, &disk, NULL, NULL},
		{"tree", 't', OPTION_FLAG, &tree, NULL, NULL},
		{"raw-data", 0, OPTION_FLAG, &raw_data, NULL,
		 "values with | between them, no head"},
		{"raw-list", 0, OPTION_FLAG, &raw_list, NULL, "names only"},
		{"json", 0, OPTION_FLAG, &as_json, NULL, "an array of objects"},
		{"class", 0, OPTION_STRING, &classes, "CLASS,...", "only these classes"},
		{"label", 0, OPTION_STRING, &labels, "LABEL,...", "only these labels"},
		{"tags", 0, OPTION_STRING, &tags, "TAG,...", "only with one of these tags"},
		{"running", 0, OPTION_FLAG, &running, NULL, "only qubes that run"},
		{"paused", 0, OPTION_FLAG, &paused, NULL, "only paused ones"},
		{"halted", 0, OPTION_FLAG, &halted, NULL, "only halted ones"},
		{0},
	};
	static const struct command_line cmd = {"qvm-ls", "[VM...]", "List qubes.",
						NULL,	  options,   false};
	_cleanup_strv_ struct strv operands = {0};
	_cleanup_list_ struct qvm_list list = {0};
	enum options_result parsed = options_parse(&cmd, argc, argv, &operands);
	int r;

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? 0 : 2;
	if (disk || tree)
		return options_wrong(&cmd, "--disk and --tree are not there yet");
	r = choose_fields(&cmd);
	if (r == 0)
		r = qvm_list_read(&list);
	for (size_t i = 0; r == 0 && i < operands.n; i++)
		if (!qvm_list_find(&list, operands.v[i])) {
			fprintf(stderr, "qvm-ls: no such domain: '%s'\n", operands.v[i]);
			r = 1;
		}
	return r ? r : print(&list, &operands);
}
