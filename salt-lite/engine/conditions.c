/* Whether a state runs: what its requisites did, and what its conditions say. */
#include "salt-lite/engine/run.h"

struct tally {
	const struct chunk *of;
	size_t n, ok, failed, changed;
};

static void count_target(struct salt *s, struct chunk *target, void *data)
{
	struct tally *t = data;

	if (target == t->of)
		return;
	parallel_join(s, target);
	t->n++;
	t->ok += target->outcome == OUTCOME_SAME || target->outcome == OUTCOME_CHANGED;
	t->failed += target->outcome == OUTCOME_FAILED;
	t->changed += target->outcome == OUTCOME_CHANGED;
}

static struct tally count(struct salt *s, const struct chunk *c, const char *kind)
{
	const struct value *list = arg(c, kind) ? arg_list(s, c, kind) : NULL;
	struct tally t = {.of = c};

	for (size_t i = 0; list && i < list->list.n; i++)
		requisite_targets(s, list->list.items[i], count_target, &t);
	return t;
}

size_t requisite_changed(struct salt *s, const struct chunk *c, const char *kind)
{
	return count(s, c, kind).changed;
}

bool chunk_skip(struct salt *s, struct chunk *c, const char *why)
{
	result_say(s, c, "%s", why);
	c->outcome = OUTCOME_SAME;
	return false;
}

bool chunk_refuse(struct salt *s, struct chunk *c, const char *kind)
{
	result_fail(s, c, "One or more requisites failed: %s", kind);
	c->outcome = OUTCOME_SKIPPED;
	return false;
}

bool requisites_hold(struct salt *s, struct chunk *c)
{
	static const char *const all[] = {"require", "watch"};
	static const char *const any[] = {"require_any", "watch_any"};
	static const char *const changes[] = {"onchanges", "onchanges_any"};
	static const char *const failures[] = {"onfail", "onfail_any"};
	struct tally t;

	for (size_t i = 0; i < c->n_first; i++) {
		parallel_join(s, c->first[i]);
		if (c->first[i]->outcome == OUTCOME_FAILED || c->first[i]->outcome == OUTCOME_SKIPPED)
			return chunk_refuse(s, c, "prereq");
	}
	for (size_t i = 0; i < 2; i++) {
		t = count(s, c, all[i]);
		if (t.ok < t.n)
			return chunk_refuse(s, c, all[i]);
		t = count(s, c, any[i]);
		if (t.n && !t.ok)
			return chunk_refuse(s, c, any[i]);
	}
	for (size_t i = 0; i < 2; i++) {
		t = count(s, c, changes[i]);
		if (t.n && !t.changed)
			return chunk_skip(s, c, "State was not run because none of the onchanges reqs changed");
		t = count(s, c, failures[i]);
		if (t.n && (!t.failed || s->failhard))
			return chunk_skip(s, c, "State was not run because onfail req did not change");
	}
	t = count(s, c, "onfail_all");
	if (t.n && (t.failed < t.n || s->failhard))
		return chunk_skip(s, c, "State was not run because onfail req did not change");
	return true;
}

/* Conditions. */

/* "fun: module.function", with args: [...] and everything else by name; get_return: which part of the answer counts. */
static bool function_succeeds(struct salt *s, struct chunk *c, const struct value *how)
{
	const struct value *fun = map_get_str(how, "fun"), *args = map_get_str(how, "args"), *answer;
	const struct value *part = map_get_str(how, "get_return");
	struct value *named = map_new(&s->h);

	if (!fun)
		heap_fail(&s->h, "a condition of '%s' is a mapping without fun", c->id);
	for (size_t i = 0; i < how->map.n; i++) {
		const struct value *key = how->map.pairs[i].key;

		if (!value_is_str(key, "fun") && !value_is_str(key, "args") && !value_is_str(key, "get_return"))
			map_set(&s->h, named, key, how->map.pairs[i].value);
	}
	answer = execution_call(s, value_cstr(&s->h, fun),
				&(struct call){.args = args && value_is_list(args) ? args->list.items : NULL,
					       .n = args && value_is_list(args) ? args->list.n : 0,
					       .named = named});
	if (part)
		answer = value_path(&s->h, answer, value_text(&s->h, part), ':');
	return answer && value_true(answer);
}

static bool command_succeeds(struct salt *s, struct chunk *c, const char *command)
{
	_cleanup_strbuf_ struct strbuf out = {0};

	return shell_run(s,
			 &(struct shell){.command = command,
					 .user = arg_text(s, c, "runas", NULL),
					 .cwd = arg_text(s, c, "cwd", NULL),
					 .env = arg(c, "env")},
			 &out) == 0;
}

static bool one_succeeds(struct salt *s, struct chunk *c, const struct value *v)
{
	if (v->kind == V_MAP)
		return function_succeeds(s, c, v);
	return v->kind == V_BOOL ? v->b : command_succeeds(s, c, value_cstr(&s->h, v));
}

bool commands_succeed(struct salt *s, struct chunk *c, const char *kind)
{
	const struct value *list = arg_list(s, c, kind);

	for (size_t i = 0; i < list->list.n; i++)
		if (!one_succeeds(s, c, list->list.items[i]))
			return false;
	return true;
}

bool conditions_hold(struct salt *s, struct chunk *c)
{
	const struct value *creates = arg_list(s, c, "creates"), *unless = arg_list(s, c, "unless");
	bool missing = !creates->list.n;

	if (arg(c, "onlyif") && !commands_succeed(s, c, "onlyif"))
		return chunk_skip(s, c, "onlyif condition is false");
	if (unless->list.n && commands_succeed(s, c, "unless"))
		return chunk_skip(s, c, "unless condition is true");
	for (size_t i = 0; i < creates->list.n; i++)
		missing |= access(rooted(s, value_cstr(&s->h, creates->list.items[i])), F_OK) < 0;
	return missing || chunk_skip(s, c, "All files in creates exist");
}
