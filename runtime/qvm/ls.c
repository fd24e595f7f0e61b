/* qvm-ls. */
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "runtime/qvm/ls.h"

static const char *format = "simple", *fields, *sort_column = "name";
static bool all, raw_data, raw_list, as_json, network, kernels, disk, tree, reverse, ignore_case, spinner;
static struct ls_filter filter;

static const struct {
	const char *name, *fields;
} formats[] = {
	{"simple", "name,state,class,label,template,netvm"},
	/* ipback is no property any more, but the columns behind it have their places. */
	{"network", "name,state,netvm,ip,ipback,gateway"},
	{"kernel", "name,state,class,template,kernel,kernelopts"},
	{"full", "name,state,class,label,qid,xid,uuid"},
	{"prefs", "name,label,template,netvm,memory,maxmem,vcpus,virt_mode,autostart"},
	{"disk", "name,state,disk,priv-curr,priv-max,priv-used,root-curr,root-max,root-used"},
};

static char *lower(struct blob word)
{
	char *text = blob_dup(word);

	for (char *p = text; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return text;
}

static void split_fields(struct strv *out)
{
	struct blob rest = blob_of(fields), one;

	while (blob_token(&rest, ',', &one))
		strv_push_take(out, lower(blob_trim(one)));
}

/* How wide a terminal shows it: names are ASCII, the tree's branches are not. */
static int width_of(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void print_padded(const char *text, int width)
{
	fputs(text, stdout);
	for (int n = width_of(text); n < width; n++)
		putchar(' ');
}

static const char *shown(const char *cell)
{
	return cell ? cell : "-";
}

/* Columns as wide as their widest cell, two blanks between them, none at the end. */
static void print_table(const struct strv *columns, char *const *cells, size_t rows)
{
	_cleanup_free_ int *width = xcalloc(columns->n, sizeof(int));

	for (size_t i = 0; i < (rows + 1) * columns->n; i++) {
		int n = width_of(i < columns->n ? columns->v[i] : shown(cells[i - columns->n])) + 2;

		if (n > width[i % columns->n])
			width[i % columns->n] = n;
	}
	for (size_t c = 0; c < columns->n; c++) {
		_cleanup_free_ char *head = xstrdup(columns->v[c]);

		for (char *p = head; *p; p++)
			*p = (char)toupper((unsigned char)*p);
		print_padded(head, c + 1 < columns->n ? width[c] : 0);
	}
	putchar('\n');
	for (size_t i = 0; i < rows * columns->n; i++) {
		bool last = (i + 1) % columns->n == 0;

		print_padded(shown(cells[i]), last ? 0 : width[i % columns->n]);
		if (last)
			putchar('\n');
	}
}

static void print_raw(const struct strv *columns, char *const *cells, size_t rows)
{
	for (size_t i = 0; i < rows * columns->n; i++)
		printf("%s%c", shown(cells[i]), (i + 1) % columns->n ? '|' : '\n');
}

static void print_json(const struct strv *columns, char *const *cells, size_t rows)
{
	json_t *list = json_array();

	for (size_t r = 0; r < rows; r++) {
		json_t *object = json_object();

		for (size_t c = 0; c < columns->n; c++) {
			const char *text = cells[r * columns->n + c];

			json_object_set_new(object, columns->v[c], text ? json_string(text) : json_null());
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
	if (disk)
		format = "disk";
	if (raw_list)
		fields = "name";
	for (size_t i = 0; !fields && i < sizeof(formats) / sizeof(*formats); i++)
		if (!strcmp(format, formats[i].name))
			fields = formats[i].fields;
	return fields && *fields ? 0 : options_wrong(cmd, "no such format: '%s'", format);
}

/* A name as deep as its qube is in the tree. */
static char *branch(const struct ls_row *row, char *name)
{
	char *text;

	if (!row->depth)
		return name;
	text = xasprintf("%*s\u2514\u2500%s", (int)(row->depth - 1) * 2, "", name);
	free(name);
	return text;
}

static void print_cells(const struct strv *columns, char *const *cells, size_t rows)
{
	if (as_json)
		print_json(columns, cells, rows);
	else if (raw_list || raw_data)
		print_raw(columns, cells, rows);
	else
		print_table(columns, cells, rows);
}

static void print(const struct strv *columns, const struct ls_rows *rows)
{
	bool for_people = !as_json && !raw_list && !raw_data;
	char **cells = xcalloc(rows->n * columns->n + 1, sizeof(*cells));

	for (size_t i = 0; i < rows->n * columns->n; i++) {
		const struct ls_row *row = &rows->v[i / columns->n];
		const char *column = columns->v[i % columns->n];

		cells[i] = ls_cell(row, column);
		if (tree && for_people && !strcmp(column, "name"))
			cells[i] = branch(row, cells[i]);
	}
	print_cells(columns, cells, rows->n);
	for (size_t i = 0; i < rows->n * columns->n; i++)
		free(cells[i]);
	free(cells);
}

static void list(const struct qvm_list *qubes, const struct strv *names)
{
	_cleanup_free_ char *sort_by = lower(blob_of(sort_column));
	_cleanup_strv_ struct strv columns = {0};
	_cleanup_rows_ struct ls_rows rows = {0};

	split_fields(&columns);
	ls_choose(&filter, qubes, names, &rows);
	ls_ask_for_column(&rows, sort_by);
	for (size_t c = 0; c < columns.n; c++)
		ls_ask_for_column(&rows, columns.v[c]);
	if (tree)
		ls_ask(&rows, LS_PROPERTIES, NULL);
	ls_sort(&rows, sort_by, ignore_case, reverse);
	if (tree)
		ls_tree(&rows);
	print(&columns, &rows);
}

static const struct option_def options[] = {
	QVM_COMMON,
	{"all", 0, OPTION_FLAG, &all, NULL, "every qube (default)"},
	{"exclude", 0, OPTION_LIST, &filter.excluded, "VM", "not this one"},
	{"format", 'o', OPTION_STRING, &format, "FORMAT", "simple, network, kernel, full, prefs, disk"},
	{"fields", 'O', OPTION_STRING, &fields, "FIELD,...",
	 "columns: name, state, class, uuid, disk, priv-curr, priv-max, priv-used, root-curr, root-max, root-used "
	 "(MiB), properties"},
	{"network", 'n', OPTION_FLAG, &network, NULL, "the same as --format network"},
	{"kernel", 'k', OPTION_FLAG, &kernels, NULL, "the same as --format kernel"},
	{"disk", 'd', OPTION_FLAG, &disk, NULL, "the same as --format disk"},
	{"tree", 't', OPTION_FLAG, &tree, NULL, "qubes below the netvm they use"},
	{"sort", 0, OPTION_STRING, &sort_column, "FIELD", "in the order of this column (name)"},
	{"reverse", 0, OPTION_FLAG, &reverse, NULL, "the last one first"},
	{"ignore-case", 0, OPTION_FLAG, &ignore_case, NULL, "sort without regard to case"},
	{"raw-data", 0, OPTION_FLAG, &raw_data, NULL, "values with | between them, no head"},
	{"raw-list", 0, OPTION_FLAG, &raw_list, NULL, "names only"},
	{"json", 0, OPTION_FLAG, &as_json, NULL, "an array of objects"},
	{"class", 0, OPTION_WORDS, &filter.classes, "CLASS...", "only these classes"},
	{"label", 0, OPTION_WORDS, &filter.labels, "LABEL...", "only these labels"},
	{"tags", 0, OPTION_WORDS, &filter.tags, "TAG...", "only with one of these tags"},
	{"exclude-tags", 0, OPTION_WORDS, &filter.without_tags, "TAG...", "only with none of these tags"},
	{"running", 0, OPTION_FLAG, &filter.running, NULL, "only qubes that run"},
	{"paused", 0, OPTION_FLAG, &filter.paused, NULL, "only paused ones"},
	{"halted", 0, OPTION_FLAG, &filter.halted, NULL, "only halted ones"},
	{"template-source", 0, OPTION_WORDS, &filter.templates, "VM...",
	 "only made from one of these templates; '' for none"},
	{"netvm-is", 0, OPTION_WORDS, &filter.netvms, "VM...", "only behind one of these; '' for none"},
	{"internal", 0, OPTION_STRING, &filter.internal, "yes|no", "only internal ones, or only others"},
	{"servicevm", 0, OPTION_STRING, &filter.servicevm, "yes|no", "only service qubes, or only others"},
	{"pending-update", 0, OPTION_FLAG, &filter.pending_update, NULL, "only those with updates to install"},
	{"features", 0, OPTION_WORDS, &filter.features, "NAME=VALUE...",
	 "only with these features, all of which have to match; '' for one that is empty or not set"},
	{"prefs", 0, OPTION_WORDS, &filter.properties, "NAME=VALUE...", "the same for properties"},
	/* There is nothing to wait for: answers come in milliseconds. */
	{"spinner", 0, OPTION_FLAG, &spinner, NULL, NULL},
	{"no-spinner", 0, OPTION_FLAG, &spinner, NULL, NULL},
	{0},
};

static int list_named(const struct strv *names)
{
	_cleanup_list_ struct qvm_list qubes = {0};
	int r = qvm_list_read(&qubes);

	for (size_t i = 0; r == 0 && i < names->n; i++)
		if (!qvm_list_find(&qubes, names->v[i])) {
			fprintf(stderr, "qvm-ls: no such domain: '%s'\n", names->v[i]);
			r = QVM_FAILED;
		}
	if (r == 0)
		list(&qubes, names);
	return r;
}

int qvm_ls(int argc, char **argv)
{
	static const struct command_line cmd = {
		"qvm-ls",
		"[VM...]",
		"List qubes.",
		"Where several words may be given they go up to the next option or --, or have commas\n"
		"between them: qvm-ls --class AppVM DispVM -- work personal",
		options,
		false,
	};
	_cleanup_strv_ struct strv operands = {0};
	enum options_result parsed = options_parse(&cmd, argc, argv, &operands);
	const char *wrong = parsed == OPTIONS_OK ? ls_filter_check(&filter) : NULL;

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? 0 : 2;
	if (wrong)
		return options_wrong(&cmd, "%s", wrong);
	return choose_fields(&cmd) ? QVM_USAGE : list_named(&operands);
}
