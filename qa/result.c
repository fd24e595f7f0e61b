#include <fcntl.h>
#include <jansson.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"
#include "qa/report.h"

enum { RESULT_MAX = 1 << 20 };

void result_begin(struct result *r, struct arena *a, const char *scenario)
{
	*r = (struct result){.scenario = arena_strdup(a, scenario)};
	r->last = &r->steps;
}

void result_add_step(struct result *r, struct arena *a, const char *label, int64_t ms, bool failed)
{
	struct result_step *step = arena_alloc(a, sizeof(*step));

	*step = (struct result_step){.label = arena_strdup(a, label), .ms = ms, .failed = failed};
	*r->last = step;
	r->last = &step->next;
}

/* Machines print what they like; JSON holds UTF-8 only. */
static char *as_ascii(const char *text)
{
	char *copy = text ? xstrdup(text) : NULL;

	for (char *p = copy; p && *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	return copy;
}

int result_write(const char *path, const struct result *r, struct error *err)
{
	_cleanup_free_ char *failure = as_ascii(r->failure);
	json_t *steps = json_array();
	json_t *root = json_pack("{s:s, s:I, s:s*, s:o}", "scenario", r->scenario, "ms", (json_int_t)r->ms, "failure",
				 failure, "steps", steps);
	_cleanup_free_ char *text = NULL;
	int e;

	for (const struct result_step *s = r->steps; s; s = s->next)
		json_array_append_new(steps, json_pack("{s:s, s:I, s:b}", "label", s->label, "ms", (json_int_t)s->ms,
						       "failed", s->failed));
	text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
	json_decref(root);
	e = text ? write_file(AT_FDCWD, path, text, strlen(text), 0644) : -ENOMEM;
	return e < 0 ? error_errno(err, e, path, "cannot write") : 0;
}

void result_read(struct arena *a, const char *path, struct result *r)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	const char *failure = NULL, *label;
	json_t *root = NULL, *steps = NULL, *step;
	json_int_t ms = 0;
	size_t i;
	int failed;

	if (read_file(AT_FDCWD, path, RESULT_MAX, &text) == 0)
		root = json_loadb(text.p, text.n, 0, NULL);
	if (!root || json_unpack(root, "{s:I, s?s, s:o}", "ms", &ms, "failure", &failure, "steps", &steps))
		failure = "the harness itself ended without a result";
	r->ms = ms;
	r->failure = failure ? arena_strdup(a, failure) : NULL;
	json_array_foreach (steps, i, step)
		if (json_unpack(step, "{s:s, s:I, s:b}", "label", &label, "ms", &ms, "failed", &failed) == 0)
			result_add_step(r, a, label, ms, failed);
	json_decref(root);
}
