/* `parallel: True`: a state in a process of its own, until another one needs it or the run ends. */
#include <fcntl.h>

#include "common/sys/file.h"
#include "common/sys/process.h"
#include "salt-lite/engine/run.h"
#include "salt-lite/value/yaml.h"

enum { REPORT_MAX = 64 << 20 };

/* What libyaml reads as a character. */
static bool is_character(uint32_t c)
{
	return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c <= 0x7e) || c == 0x85 || (c >= 0xa0 && c <= 0xd7ff) ||
	       (c >= 0xe000 && c <= 0xfffd && c != 0xfeff) || (c >= 0x10000 && c <= 0x10ffff);
}

/* The length of the character at the beginning of the text; 0: it is not UTF-8, or none that libyaml reads. */
static size_t character_length(struct blob s)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char first = (unsigned char)s.p[0];
	size_t n = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf8 ? 4 : 0;
	uint32_t c = n == 1 ? first : first & (0xffu >> (n + 1));

	if (!n || n > s.n)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if (((unsigned char)s.p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | ((unsigned char)s.p[i] & 0x3f);
	}
	return c >= least[n] && is_character(c) ? n : 0;
}

/* Programs print what they like: as Salt does, what cannot be read has a sign in its place. */
static struct blob readable(struct heap *h, struct blob text)
{
	struct text t = {0};

	while (text.n) {
		size_t n = character_length(text);

		text_add(h, &t, n ? (struct blob){text.p, n} : BLOB("\xef\xbf\xbd"));
		text.p += n ? n : 1;
		text.n -= n ? n : 1;
	}
	return text_blob(&t);
}

/* What the process of a state tells ours: a document. */
static void tell(struct salt *s, const struct chunk *c, int fd)
{
	struct value *v = map_new(&s->h);
	struct blob text;

	map_set_str(&s->h, v, "result", value_int(&s->h, c->result.value));
	map_set_str(&s->h, v, "outcome", value_int(&s->h, c->outcome));
	map_set_str(&s->h, v, "comment", value_blob(&s->h, text_blob(&c->result.comment)));
	map_set_str(&s->h, v, "changes", c->result.changes);
	text = readable(&s->h, yaml_write(&s->h, v, false));
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
