/* Runs the plan: requisites, conditions, the state itself, what watches it. */
#include <sys/stat.h>

#include "salt-lite/engine/run.h"

/* A state begins: nothing has changed yet, and no file has been looked at. */
static void begin(struct salt *s, struct chunk *c)
{
	contents_forget(s);
	c->result = (struct result){.changes = map_new(&s->h)};
}

static void run_checked(struct salt *s, struct chunk *c, void (*run)(struct salt *s, struct chunk *c))
{
	const struct value *retry = arg(c, "retry"), *attempts = map_get_str(retry, "attempts");
	const struct value *interval = map_get_str(retry, "interval"), *until = map_get_str(retry, "until");
	int64_t left = !retry ? 1 : attempts && attempts->kind == V_INT ? attempts->i : 2;

	for (; left > 0; left--) {
		begin(s, c);
		run(s, c);
		if (c->result.value == RESULT_TRUE && arg(c, "check_cmd") && !s->test &&
		    !commands_succeed(s, c, "check_cmd"))
			result_fail(s, c, "check_cmd determined the state failed");
		if (until ? (c->result.value == RESULT_TRUE) == value_true(until) : c->result.value != RESULT_FALSE)
			break;
		if (s->test)
			break;
		if (left > 1)
			sleep(interval && interval->kind == V_INT ? (unsigned)interval->i : 30);
	}
}

bool parameter_common(const char *key)
{
	static const char *const common[] = {
		"name",		"names",      "order",	   "require",	   "require_any",   "require_in",   "require-in",
		"watch",	"watch_any",  "watch_in",  "onchanges",	   "onchanges_any", "onchanges_in", "onfail",
		"onfail_any",	"onfail_all", "onfail_in", "listen",	   "listen_in",	    "use",	    "use_in",
		"onlyif",	"unless",     "creates",   "check_cmd",	   "retry",	    "failhard",	    "prereq",
		"prereq_in",	"runas",      "umask",	   "parallel"};

	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		if (!strcmp(common[i], key))
			return true;
	return false;
}

static bool parameters_known(struct salt *s, struct chunk *c, const struct state_function *f)
{
	if (f->parameters[0] == '*')
		return true;
	for (size_t i = 0; i < c->args->map.n; i++) {
		const char *key = value_cstr(&s->h, c->args->map.pairs[i].key);

		if (parameter_common(key) || blob_has_word(blob_of(f->parameters), key))
			continue;
		result_fail(s, c, "%s.%s has no parameter '%s'", c->module, c->function, key);
		return false;
	}
	return true;
}

struct attempt {
	struct salt *s;
	struct chunk *c;
	const struct state_function *f;
};

/* What the state sees: the files of its environment, its umask. */
static void surround(struct attempt *a)
{
	mode_t mask;

	environment_enter(a->s, a->s->file_roots, a->c->environment);
	if (arg_mode(a->s, a->c, "umask", &mask))
		umask(mask & 0777);
}

static void attempt(struct heap *h, void *data)
{
	struct attempt *a = data;

	(void)h;
	surround(a);
	if (!parameters_known(a->s, a->c, a->f) || !conditions_hold(a->s, a->c))
		return;
	run_checked(a->s, a->c, a->f->run);
	if (a->f->watched && a->c->result.value == RESULT_TRUE && !a->c->result.changes->map.n &&
	    (requisite_changed(a->s, a->c, "watch") || requisite_changed(a->s, a->c, "watch_any"))) {
		begin(a->s, a->c);
		a->f->watched(a->s, a->c);
	}
}

static void listen(struct heap *h, void *data)
{
	struct attempt *a = data;

	(void)h;
	surround(a);
	a->f->watched(a->s, a->c);
}

static int run_masked(struct salt *s, void (*run)(struct heap *h, void *data), struct attempt *a)
{
	mode_t old = umask(022);
	int r;

	umask(old);
	r = heap_try(&s->h, run, a);
	umask(old);
	return r;
}

struct forecast {
	const struct chunk *of;
	size_t changes, failures;
};

/* What a state would do, without doing it. */
static void foresee(struct salt *s, struct chunk *target, void *data)
{
	struct forecast *f = data;
	struct attempt a = {s, target, state_find(target->module, target->function)};
	bool test = s->test;

	if (target == f->of)
		return;
	s->test = true;
	begin(s, target);
	if (!requisites_hold(s, target) ? target->outcome == OUTCOME_SKIPPED
					: run_masked(s, attempt, &a) < 0 || target->result.value == RESULT_FALSE)
		f->failures++;
	f->changes += target->result.changes->map.n > 0;
	begin(s, target);
	target->outcome = OUTCOME_NONE;
	s->test = test;
}

/* A state with a prereq runs only if that one is going to change something. */
static bool prereq_holds(struct salt *s, struct chunk *c)
{
	const struct value *list = arg(c, "prereq") ? arg_list(s, c, "prereq") : NULL;
	struct forecast f = {.of = c};

	for (size_t i = 0; list && i < list->list.n; i++)
		requisite_targets(s, list->list.items[i], foresee, &f);
	if (f.failures)
		return chunk_refuse(s, c, "prereq");
	return !list || f.changes || chunk_skip(s, c, "No changes detected");
}

static void run_to_outcome(struct salt *s, struct chunk *c, void (*run)(struct heap *h, void *data))
{
	struct attempt a = {s, c, state_find(c->module, c->function)};

	s->h.file = c->sls;
	s->h.line = 0;
	if (run_masked(s, run, &a) < 0)
		result_fail(s, c, "%s", s->h.error->cause);
	if (c->result.value == RESULT_FALSE)
		c->outcome = OUTCOME_FAILED;
	else
		c->outcome = c->result.changes->map.n ? OUTCOME_CHANGED : OUTCOME_SAME;
}

void chunk_run(struct salt *s, struct chunk *c)
{
	run_to_outcome(s, c, attempt);
}

void chunk_finish(struct salt *s, struct chunk *c)
{
	chunk_journal(s, c);
	if (!s->quiet || c->outcome != OUTCOME_SAME)
		chunk_report(s, c);
	s->ran++;
	s->failed += c->result.value == RESULT_FALSE;
	s->changed += c->outcome == OUTCOME_CHANGED;
	s->stop |= c->result.value == RESULT_FALSE && (s->failhard || arg_bool(c, "failhard", false));
}

static void run_one(struct salt *s, struct chunk *c)
{
	s->h.file = c->sls;
	s->h.line = 0;
	if (requisites_hold(s, c) && prereq_holds(s, c)) {
		if (arg_bool(c, "parallel", false) && !s->test && parallel_start(s, c))
			return;
		chunk_run(s, c);
	}
	chunk_finish(s, c);
}

/* What listens to states that changed something is done when all states have run. */
static void run_listeners(struct salt *s)
{
	for (size_t i = 0; i < s->n_plan; i++) {
		struct chunk *c = s->plan[i];

		if (!arg(c, "listen") || !requisite_changed(s, c, "listen") || !state_find(c->module, c->function)->watched)
			continue;
		begin(s, c);
		run_to_outcome(s, c, listen);
		chunk_finish(s, c);
	}
}

size_t salt_run(struct salt *s, size_t *changed)
{
	s->running = true;
	printf("%s:\n", s->id);
	for (size_t i = 0; i < s->n_plan && !s->stop; i++)
		run_one(s, s->plan[i]);
	parallel_join_all(s);
	run_listeners(s);
	journal_keep(s);
	printf("\nSummary for %s\n------------\nSucceeded: %zu (%s=%zu)\nFailed:    %zu\n------------\n"
	       "Total states run:     %zu\n",
	       s->id, s->ran - s->failed, s->test ? "unchanged" : "changed",
	       s->test ? s->ran - s->failed - s->changed : s->changed, s->failed, s->ran);
	*changed = s->changed;
	return s->failed;
}
