/* Why a step runs, and the list of all steps: nothing is done here. */
#include <jansson.h>
#include <stdio.h>

#include "builder/graph.h"
#include "builder/history.h"
#include "builder/inputs.h"
#include "common/base/alloc.h"

static const struct step *first_missing(const struct step *s)
{
	for (size_t i = 0; i < s->n_deps; i++)
		if (!s->deps[i]->present)
			return s->deps[i];
	return NULL;
}

void step_reasons(const struct graph *g, const struct step *s, struct strv *reasons)
{
	_cleanup_history_ struct history last = {0};
	const struct step *missing = first_missing(s);

	if (s->present || !s->needed)
		return;
	if (!s->known) {
		strv_pushf(reasons, "if %s changes", missing ? missing->id : "what it needs");
		return;
	}
	if (history_read(g->store, s->id, &last) < 0) {
		strv_push(reasons, "was never built here");
		return;
	}
	inputs_differences(strbuf_blob(&last.inputs), strbuf_blob(&s->inputs), reasons);
	if (!reasons->n)
		strv_push(reasons, "its result is no longer in the store");
}

static const char *state_of(const struct step *s)
{
	if (s->present)
		return "done";
	if (!s->needed)
		return "not needed";
	return s->known ? "runs" : "perhaps";
}

static void print_line(const struct graph *g, const struct step *s)
{
	_cleanup_strv_ struct strv reasons = {0};
	_cleanup_free_ char *why = NULL;

	step_reasons(g, s, &reasons);
	why = inputs_summary(&reasons);
	printf("%-32s %-12.12s  %s (%s%s%s)\n", s->id, s->known ? s->key : "?", s->sentence, state_of(s),
	       *why ? ": " : "", why);
}

static json_t *step_json(const struct graph *g, const struct step *s)
{
	_cleanup_strv_ struct strv reasons = {0};
	json_t *list = json_array(), *o;

	step_reasons(g, s, &reasons);
	for (size_t i = 0; i < reasons.n; i++)
		json_array_append_new(list, json_string(reasons.v[i]));
	o = json_pack("{s:s, s:s, s:s, s:o}", "id", s->id, "sentence", s->sentence, "state", state_of(s), "reasons",
		      list);
	if (s->known)
		json_object_set_new(o, "key", json_string(s->key));
	return o;
}

int graph_plan(struct graph *g, struct step *const *goals, size_t n, bool json, struct error *err)
{
	json_t *list = json_array();
	int r = graph_mark(g, goals, n, err);

	for (size_t i = 0; r == 0 && i < g->n_steps; i++)
		if (json)
			json_array_append_new(list, step_json(g, g->steps[i]));
		else
			print_line(g, g->steps[i]);
	if (r == 0 && json) {
		json_dumpf(list, stdout, JSON_INDENT(1));
		putchar('\n');
	}
	json_decref(list);
	return r;
}
