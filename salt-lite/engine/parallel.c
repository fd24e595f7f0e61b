/* `parallel: True`: a state in a process of its own, until another one needs it or the run ends. */
#include <fcntl.h>

#include "common/sys/file.h"
#include "common/sys/process.h"
#include "salt-lite/engine/run.h"
#include "salt-lite/value/yaml.h"

enum { REPORT_MAX = 64 << 20 };

/* What the process of a state tells ours: a document. */
static void tell(struct salt *s, const struct chunk *c, int fd)
{
	struct value *v = map_new(&s->h);
	struct blob text;

	map_set_str(&s->h, v, "result", value_int(&s->h, c->result.value));
	map_set_str(&s->h, v, "outcome", value_int(&s->h, c->outcome));
	map_set_str(&s->h, v, "comment", value_blob(&s->h, text_blob(&c->result.comment)));
	map_set_str(&s->h, v, "changes", c->result.changes);
	text = yaml_write(&s->h, v, false);
	write_all(fd, text.p, text.n);
}

bool parallel_start(struct salt *s, struct chunk *c)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		chunk_run(s, c);
		tell(s, c, ends[1]);
		_exit(0);
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return false;
	}
	c->pid = pid;
	c->report = ends[0];
	return true;
}

struct answer {
	struct chunk *c;
	struct blob text;
};

static void take(struct heap *h, void *data)
{
	struct answer *a = data;
	const struct value *v = yaml_parse(h, "the state's process", a->text);
	const struct value *result = map_get_str(v, "result"), *outcome = map_get_str(v, "outcome");
	const struct value *comment = map_get_str(v, "comment"), *changes = map_get_str(v, "changes");

	if (!result || !outcome || !comment || !changes || changes->kind != V_MAP)
		heap_fail(h, "it ended before it had a result");
	a->c->result.value = (unsigned)result->i;
	a->c->outcome = (enum outcome)outcome->i;
	a->c->result.changes = map_copy(h, changes);
	text_add(h, &a->c->result.comment, comment->s);
}

void parallel_join(struct salt *s, struct chunk *c)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct answer a = {.c = c};
	int r;

	if (!c->pid)
		return;
	r = read_fd(c->report, REPORT_MAX, &text);
	close(c->report);
	process_wait(c->pid);
	c->pid = 0;
	a.text = strbuf_blob(&text);
	if (r < 0 || heap_try(&s->h, take, &a) < 0) {
		c->outcome = OUTCOME_FAILED;
		result_fail(s, c, "its process failed: %s", r < 0 ? strerror(-r) : s->h.error->cause);
	}
	/* It may have installed something. */
	s->packages = NULL;
	chunk_finish(s, c);
}

void parallel_join_all(struct salt *s)
{
	for (size_t i = 0; i < s->n_plan; i++)
		parallel_join(s, s->plan[i]);
}
