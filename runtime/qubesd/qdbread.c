#include "runtime/qubesd/qdbread.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/qubesdb/include/qubesdb-client.h"

/* Of each qube's text; the last entry goes a bit beyond. What one has told leaves the others theirs. */
enum { RESULT_MAX = 60 << 10, OVERSHOOT = 1 << 10, VALUE_MAX = 512, READ_TIMEOUT = 20 };

struct query {
	const char *run_dir, *prefix;
	const char *const *names;
};

/* Only printable ASCII: values end up in answers, logs and on terminals. */
static void add_value(struct strbuf *out, const char *value)
{
	for (size_t i = 0; value[i] && i < VALUE_MAX; i++)
		strbuf_add_char(out, isprint((unsigned char)value[i]) ? value[i] : '_');
}

static void read_one(const struct query *q, const char *name, struct strbuf *out)
{
	qdb_handle_t h = qdb_open_dir(q->run_dir, name);
	char **pairs = h ? qdb_multiread(h, q->prefix, NULL, NULL) : NULL;
	size_t end = out->n + RESULT_MAX;

	for (size_t i = 0; pairs && pairs[i]; i += 2) {
		if (out->n < end && pairs[i + 1]) {
			strbuf_printf(out, "%s\t%s\t", name, pairs[i]);
			add_value(out, pairs[i + 1]);
			strbuf_add_char(out, '\n');
		}
		free(pairs[i]);
		free(pairs[i + 1]);
	}
	free(pairs);
	if (h)
		qdb_close(h);
}

static int produce(const void *arg, struct strbuf *out, struct error *err)
{
	const struct query *q = arg;

	(void)err;
	for (const char *const *name = q->names; *name; name++)
		read_one(q, *name, out);
	return 0;
}

int qdb_read_all(struct qubesd *d, struct arena *a, const char *const *names, const char *prefix,
		 child_done_fn done, void *user)
{
	struct query *q = arena_alloc(a, sizeof(*q));
	size_t n = 0;

	*q = (struct query){.run_dir = d->run_dir, .prefix = prefix, .names = names};
	while (names[n])
		n++;
	return child_start(d->event,
			   &(struct child_spec){.produce = produce,
						.arg = q,
						.out_max = n * (RESULT_MAX + OVERSHOOT),
						.timeout = READ_TIMEOUT},
			   done, user, NULL);
}

bool qdb_next(struct blob *rest, struct qdb_entry *e)
{
	struct blob line;

	while (blob_token(rest, '\n', &line)) {
		*e = (struct qdb_entry){0};
		if (blob_token(&line, '\t', &e->vm) && blob_token(&line, '\t', &e->path)) {
			e->value = line;
			return true;
		}
	}
	return false;
}
