/* What qvm-ls knows of the qubes: see ls.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "runtime/qvm/ls.h"

static const char *const volumes[] = {"root", "private", "volatile", "kernel"};
enum { N_VOLUMES = sizeof(volumes) / sizeof(*volumes) };

static bool is_same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static struct ls_answer *find(const struct ls_row *row, const char *method, const char *argument)
{
	for (size_t i = 0; i < row->n_answers; i++)
		if (is_same(row->answers[i].method, method) && is_same(row->answers[i].argument, argument))
			return &row->answers[i];
	return NULL;
}

const struct strbuf *ls_answer(const struct ls_row *row, const char *method, const char *argument)
{
	const struct ls_answer *answer = find(row, method, argument);

	return answer && answer->there ? &answer->text : NULL;
}

/* A qube that is gone meanwhile, and one without that feature or volume, has no answer; dom0 has no volumes at all. */
static bool is_absence(const struct qvm_vm *vm, int r, const struct admin_error *err)
{
	static const char *const types[] = {"QubesVMNotFoundError", "QubesFeatureNotFoundError",
					    "QubesVolumeNotFoundError"};

	if (r == -ECONNABORTED)
		return !strcmp(vm->class, "AdminVM");
	for (size_t i = 0; r == -EREMOTEIO && i < sizeof(types) / sizeof(*types); i++)
		if (!strcmp(err->type, types[i]))
			return true;
	return false;
}

static void take(struct ls_row *row, const char *method, const char *argument, struct admin_query *q)
{
	if (q->r != 0 && !is_absence(row->vm, q->r, &q->err))
		qvm_report(q->dest, q->r, &q->err);
	row->answers = xreallocarray(row->answers, row->n_answers + 1, sizeof(*row->answers));
	row->answers[row->n_answers++] = (struct ls_answer){method, argument, q->r == 0, q->out};
	q->out = (struct strbuf){0};
}

void ls_ask(struct ls_rows *rows, const char *method, const char *argument)
{
	_cleanup_free_ struct admin_query *q = xcalloc(rows->n + 1, sizeof(*q));

	if (!rows->n || find(&rows->v[0], method, argument))
		return;
	for (size_t i = 0; i < rows->n; i++)
		q[i].dest = rows->v[i].vm->name;
	admin_call_each(&qvm_admin, method, argument, q, rows->n);
	for (size_t i = 0; i < rows->n; i++) {
		take(&rows->v[i], method, argument, &q[i]);
		admin_query_free(&q[i]);
	}
}

struct blob ls_property(const struct ls_row *row, const char *name)
{
	const struct strbuf *all = ls_answer(row, LS_PROPERTIES, NULL);
	struct blob rest = all ? strbuf_blob(all) : (struct blob){0}, line, word;
	struct admin_property v;

	while (blob_token(&rest, '\n', &line))
		if (blob_token(&line, ' ', &word) && blob_eq_str(word, name) && admin_property_parse(line, &v))
			return v.value;
	return (struct blob){0};
}

/* Bytes of a volume by the key `size` or `usage`. */
static uint64_t volume_bytes(const struct ls_row *row, const char *volume, const char *key)
{
	const struct strbuf *info = ls_answer(row, LS_VOLUME, volume);
	_cleanup_free_ char *text = info ? qvm_info_value(info, key) : NULL;
	uint64_t bytes;

	return text && blob_to_u64(blob_of(text), UINT64_MAX, &bytes) ? bytes : 0;
}

/* Whole MiB; of used ones how many percent of the size. */
static char *disk_cell(const struct ls_row *row, const char *volume, const char *what)
{
	uint64_t size = volume_bytes(row, volume, "size") >> 20, usage = volume_bytes(row, volume, "usage") >> 20;

	if (!strcmp(what, "used"))
		return xasprintf("%llu%%", size ? (unsigned long long)(usage * 100 / size) : 0ULL);
	return xasprintf("%llu", (unsigned long long)(!strcmp(what, "max") ? size : usage));
}

static char *disk_all(const struct ls_row *row)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < N_VOLUMES; i++)
		bytes += volume_bytes(row, volumes[i], "usage");
	return xasprintf("%llu", (unsigned long long)(bytes >> 20));
}

/* The volume of a column such as priv-max; NULL for other columns. */
static const char *volume_of(const char *column, const char **what)
{
	static const char *const whats[] = {"curr", "max", "used"};
	const char *dash = strchr(column, '-');

	for (size_t i = 0; dash && i < sizeof(whats) / sizeof(*whats); i++)
		if (!strcmp(dash + 1, whats[i])) {
			*what = whats[i];
			return !strncmp(column, "priv-", 5) ? "private" : !strncmp(column, "root-", 5) ? "root" : NULL;
		}
	return NULL;
}

/* What the list of qubes itself tells, or NULL. */
static const char *listed(const struct qvm_vm *vm, const char *column)
{
	return !strcmp(column, "name")	  ? vm->name
	       : !strcmp(column, "state") ? vm->state
	       : !strcmp(column, "class") || !strcmp(column, "klass") ? vm->class
	       : !strcmp(column, "uuid") ? vm->uuid
					 : NULL;
}

void ls_ask_for_column(struct ls_rows *rows, const char *column)
{
	const char *what, *volume = volume_of(column, &what);

	if (!strcmp(column, "disk"))
		for (size_t i = 0; i < N_VOLUMES; i++)
			ls_ask(rows, LS_VOLUME, volumes[i]);
	else if (volume)
		ls_ask(rows, LS_VOLUME, volume);
	else if (rows->n && !listed(rows->v[0].vm, column))
		ls_ask(rows, LS_PROPERTIES, NULL);
}

char *ls_cell(const struct ls_row *row, const char *column)
{
	const char *what, *volume = volume_of(column, &what), *known = listed(row->vm, column);
	struct blob value;

	if (known)
		return xstrdup(known);
	if (!strcmp(column, "disk"))
		return disk_all(row);
	if (volume)
		return disk_cell(row, volume, what);
	/* The one that the qube uses, not the one that it is for its clients. */
	value = ls_property(row, strcmp(column, "gateway") ? column : "visible_gateway");
	return value.n ? blob_dup(value) : NULL;
}

static void row_free(struct ls_row *row)
{
	for (size_t i = 0; i < row->n_answers; i++)
		strbuf_free(&row->answers[i].text);
	free(row->answers);
}

void ls_keep(struct ls_rows *rows, bool (*wanted)(const struct ls_row *row, const void *user), const void *user)
{
	size_t kept = 0;

	for (size_t i = 0; i < rows->n; i++) {
		if (wanted(&rows->v[i], user))
			rows->v[kept++] = rows->v[i];
		else
			row_free(&rows->v[i]);
	}
	rows->n = kept;
}

void ls_rows_free(struct ls_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++)
		row_free(&rows->v[i]);
	free(rows->v);
	*rows = (struct ls_rows){0};
}
