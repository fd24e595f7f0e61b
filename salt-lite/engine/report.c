/* What a run says and notes about each state. */
#include "common/sys/journal.h"
#include "salt-lite/engine/run.h"
#include "salt-lite/value/yaml.h"

static void add_indented(struct salt *s, struct text *out, struct blob text)
{
	struct blob line;
	bool first = true;

	for (; blob_token(&text, '\n', &line); first = false)
		text_printf(&s->h, out, "%s%.*s\n", first ? "" : "              ", BLOB_ARG(line));
	if (first)
		text_add_char(&s->h, out, '\n');
}

void chunk_report(struct salt *s, struct chunk *c)
{
	static const char *const words[] = {[RESULT_TRUE] = "True", [RESULT_FALSE] = "False", [RESULT_WOULD] = "None"};
	struct text out = {0};

	text_printf(&s->h, &out, "----------\n          ID: %s\n    Function: %s.%s\n", c->id, c->module, c->function);
	if (strcmp(c->name, c->id))
		text_printf(&s->h, &out, "        Name: %s\n", c->name);
	text_printf(&s->h, &out, "      Result: %s\n     Comment: ", words[c->result.value]);
	add_indented(s, &out, text_blob(&c->result.comment));
	text_add_str(&s->h, &out, "     Changes: ");
	for (size_t i = 0; i < c->result.changes->map.n; i++) {
		const struct pair *p = &c->result.changes->map.pairs[i];

		text_printf(&s->h, &out, "\n              %s: ", value_cstr(&s->h, p->key));
		text_add(&s->h, &out,
			 p->value->kind == V_STRING ? p->value->s : yaml_write(&s->h, p->value, true));
	}
	fwrite(out.p, 1, out.n, stdout);
	putchar('\n');
}

static void journal_wrong(struct salt *s, int r)
{
	fprintf(stderr, "salt-lite: the journal cannot be written: %s; what was done is not noted from here on\n",
		strerror(-r));
	s->journal_failed = true;
}

/* Lines wait for the end of the run to be on the disk, but for failures: those are read after a crash. */
void journal_keep(struct salt *s)
{
	if (s->journal >= 0 && !s->journal_failed && fsync(s->journal) < 0)
		journal_wrong(s, -errno);
}

/* What was applied, without any content: names only. */
void chunk_journal(struct salt *s, const struct chunk *c)
{
	static const char *const words[] = {"none", "skipped", "failed", "same", "changed"};
	char *line;
	int r;

	if (s->journal < 0 || s->test || s->journal_failed)
		return;
	line = arena_printf(s->h.arena, "%s %s.%s %s %s", words[c->outcome], c->module, c->function, c->sls, c->id);
	for (char *p = line; *p; p++)
		*p = *p == '\n' ? ' ' : *p;
	r = journal_note(s->journal, line);
	if (r < 0)
		journal_wrong(s, r);
	else if (c->outcome == OUTCOME_FAILED)
		journal_keep(s);
}
