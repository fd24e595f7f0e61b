/*
 * The cases of templates (jinja.cases) and of YAML (yaml.cases): what they give, or the error they end with. A case is
 * "=== name", the input, a line "---" and the expected output, or a line "!!!" and a part of the expected error.
 */
#include <fcntl.h>
#include <stdio.h>

#include "common/sys/file.h"
#include "salt-lite/jinja/jinja.h"
#include "salt-lite/value/yaml.h"

static unsigned passed, failed;

#define test_pass() (passed++)
#define test_fail(...) (failed++, printf(__VA_ARGS__), putchar('\n'))

struct job {
	struct blob in, out;
	bool yaml;
	struct jinja jinja;
};

static bool load(struct jinja *j, const char *name, const char *from, struct blob *text, const char **path)
{
	_cleanup_strbuf_ struct strbuf buf = {0};
	const char *full = arena_printf(j->h->arena, "salt-lite/tests/files/%s", name);

	(void)from;
	if (read_file(AT_FDCWD, full, 1 << 20, &buf) < 0)
		return false;
	*text = (struct blob){arena_strndup(j->h->arena, buf.p ? buf.p : "", buf.n), buf.n};
	*path = arena_strdup(j->h->arena, name);
	return true;
}

static void run(struct heap *h, void *data)
{
	struct job *job = data;

	if (job->yaml) {
		job->out = json_write(h, yaml_parse(h, "case", job->in), false, 0);
		return;
	}
	job->jinja = (struct jinja){.h = h, .globals = map_new(h), .load = load};
	job->out = jinja_render(&job->jinja, "case", job->in, NULL);
}

static struct blob without_end(struct blob b)
{
	return b.n && b.p[b.n - 1] == '\n' ? (struct blob){b.p, b.n - 1} : b;
}

/* A mark that ends in a blank begins its line, others are the whole line. */
static bool mark_fits(struct blob line, const char *mark)
{
	return strchr(mark, ' ') ? blob_has_prefix(line, mark) : blob_eq_str(line, mark);
}

/* The text up to a line `mark`, which is cut off too. */
static struct blob until(struct blob *rest, const char *const marks[2], int *which)
{
	struct blob start = *rest, line;

	*which = -1;
	while (blob_token(rest, '\n', &line))
		for (int i = 0; i < 2; i++)
			if (marks[i] && mark_fits(line, marks[i])) {
				*which = i;
				return (struct blob){start.p, (size_t)(line.p - start.p)};
			}
	return start;
}

static void check_case(const char *name, struct blob in, struct blob want, bool fails, bool yaml)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_error_ struct error err = {0};
	struct job job = {.in = without_end(in), .yaml = yaml};
	struct heap h;
	int r;

	heap_init(&h, a, &err);
	r = heap_try(&h, run, &job);
	want = without_end(want);
	if (fails) {
		_cleanup_free_ char *part = blob_dup(want), *all = NULL;

		if (r < 0 && asprintf(&all, "%s: %s", err.object, err.cause) > 0 && strstr(all, part))
			test_pass();
		else
			test_fail("%s: %s, not the error '%s'", name, r < 0 ? all : "no error", part);
	} else if (r < 0) {
		test_fail("%s: %s: %s", name, err.object, err.cause);
	} else if (!blob_eq(job.out, want)) {
		test_fail("%s: got\n%.*s\nnot\n%.*s", name, BLOB_ARG(job.out), BLOB_ARG(want));
	} else {
		test_pass();
	}
}

static void run_cases(const char *path, bool yaml)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct blob rest, name;

	if (read_file(AT_FDCWD, path, 1 << 20, &text) < 0) {
		test_fail("%s cannot be read", path);
		return;
	}
	rest = strbuf_blob(&text);
	while (blob_token(&rest, '\n', &name)) {
		_cleanup_free_ char *label = blob_dup((struct blob){name.p + 4, name.n > 4 ? name.n - 4 : 0});
		struct blob in, want, before;
		int kind, end;

		in = until(&rest, (const char *const[]){"---", "!!!"}, &kind);
		before = rest;
		want = until(&rest, (const char *const[]){"=== ", NULL}, &end);
		if (end == 0)
			rest = (struct blob){want.p + want.n, before.n - want.n};
		check_case(label, in, want, kind == 1, yaml);
	}
}

int main(void)
{
	run_cases("salt-lite/tests/jinja.cases", false);
	run_cases("salt-lite/tests/yaml.cases", true);
	printf("%u passed, %u failed, 0 skipped\n", passed, failed);
	return failed != 0;
}
