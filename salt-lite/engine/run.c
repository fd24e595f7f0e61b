/* Runs the plan: requisites, conditions, the state itself, what watches it. */
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "common/sys/file.h"
#include "common/sys/journal.h"
#include "common/sys/process.h"
#include "salt-lite/engine/salt.h"
#include "salt-lite/value/yaml.h"

enum { OUTPUT_MAX = 1 << 20 };


const char *arg_text(struct salt *s, const struct chunk *c, const char *name, const char *otherwise)
{
	const struct value *v = arg(c, name);

	return v && v->kind != V_NONE ? value_cstr(&s->h, v) : otherwise;
}

bool arg_bool(const struct chunk *c, const char *name, bool otherwise)
{
	const struct value *v = arg(c, name);

	return v ? value_true(v) : otherwise;
}

const struct value *arg_list(struct salt *s, const struct chunk *c, const char *name)
{
	const struct value *v = arg(c, name);
	struct value *list;

	if (value_is_list(v))
		return v;
	list = list_new(&s->h);
	if (v && v->kind != V_NONE)
		list_push(&s->h, list, v);
	return list;
}

__attribute__((format(printf, 3, 0))) static void say(struct salt *s, struct chunk *c, const char *fmt, va_list ap)
{
	char *text = NULL;

	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	if (c->result.comment.n)
		text_add_char(&s->h, &c->result.comment, '\n');
	text_add_str(&s->h, &c->result.comment, text);
	free(text);
}

void result_say(struct salt *s, struct chunk *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(s, c, fmt, ap);
	va_end(ap);
}

void result_fail(struct salt *s, struct chunk *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(s, c, fmt, ap);
	va_end(ap);
	c->result.value = RESULT_FALSE;
}

void result_change(struct salt *s, struct chunk *c, const char *what, const struct value *value)
{
	map_set_str(&s->h, c->result.changes, what, value);
	if (s->test && c->result.value == RESULT_TRUE)
		c->result.value = RESULT_WOULD;
}

/* "NAME=VALUE" words for env(1). */
static void add_environment(struct salt *s, const struct value *env, const char **argv, size_t *n, size_t max)
{
	for (size_t i = 0; env && value_is_list(env) && i < env->list.n; i++)
		add_environment(s, env->list.items[i], argv, n, max);
	for (size_t i = 0; env && env->kind == V_MAP && i < env->map.n; i++) {
		if (*n >= max)
			heap_fail(&s->h, "more than %zu variables in env", max);
		argv[(*n)++] = arena_printf(s->h.arena, "%s=%s", value_cstr(&s->h, env->map.pairs[i].key),
					    value_cstr(&s->h, env->map.pairs[i].value));
	}
}

int shell_run(struct salt *s, const struct shell *shell, struct strbuf *out)
{
	enum { VARIABLES_MAX = 64 };
	const char *argv[VARIABLES_MAX + 16];
	_cleanup_close_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	int ends[2];
	pid_t pid;

	if (shell->timeout > 0) {
		argv[n++] = "timeout";
		argv[n++] = "--kill-after=5";
		argv[n++] = arena_printf(s->h.arena, "%ld", shell->timeout);
	}
	if (shell->user) {
		argv[n++] = "runuser";
		argv[n++] = "-u";
		argv[n++] = shell->user;
		argv[n++] = "--";
	}
	if (shell->env) {
		argv[n++] = "env";
		add_environment(s, shell->env, argv, &n, VARIABLES_MAX);
	}
	argv[n++] = "/bin/sh";
	argv[n++] = "-c";
	argv[n++] = shell->command;
	argv[n] = NULL;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = process_spawn(&(struct process){.argv = argv, .cwd = shell->cwd, .stdin_fd = null, .stdout_fd = ends[1],
					      .stderr_fd = ends[1]});
	close(ends[1]);
	if (pid > 0)
		read_fd(ends[0], OUTPUT_MAX, out);
	close(ends[0]);
	return pid < 0 ? (int)pid : process_wait(pid);
}

/* Requisites. */

struct tally {
	const struct chunk *of;
	size_t n, ok, failed, changed;
};

static void count_target(struct salt *s, struct chunk *target, void *data)
{
	struct tally *t = data;

	(void)s;
	if (target == t->of)
		return;
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

static bool skip_true(struct salt *s, struct chunk *c, const char *why)
{
	result_say(s, c, "%s", why);
	c->outcome = OUTCOME_SAME;
	return false;
}

static bool skip_false(struct salt *s, struct chunk *c, const char *kind)
{
	result_fail(s, c, "One or more requisites failed: %s", kind);
	c->outcome = OUTCOME_SKIPPED;
	return false;
}

/* Whether the state runs at all; anchors of each case: the table in docs/salt-lite.md. */
static bool requisites_hold(struct salt *s, struct chunk *c)
{
	static const char *const all[] = {"require", "watch"};
	static const char *const any[] = {"require_any", "watch_any"};
	static const char *const changes[] = {"onchanges", "onchanges_any"};
	static const char *const failures[] = {"onfail", "onfail_any"};
	struct tally t;

	for (size_t i = 0; i < c->n_first; i++)
		if (c->first[i]->outcome == OUTCOME_FAILED || c->first[i]->outcome == OUTCOME_SKIPPED)
			return skip_false(s, c, "prereq");
	for (size_t i = 0; i < 2; i++) {
		t = count(s, c, all[i]);
		if (t.ok < t.n)
			return skip_false(s, c, all[i]);
		t = count(s, c, any[i]);
		if (t.n && !t.ok)
			return skip_false(s, c, any[i]);
	}
	for (size_t i = 0; i < 2; i++) {
		t = count(s, c, changes[i]);
		if (t.n && !t.changed)
			return skip_true(s, c, "State was not run because none of the onchanges reqs changed");
		t = count(s, c, failures[i]);
		if (t.n && (!t.failed || s->failhard))
			return skip_true(s, c, "State was not run because onfail req did not change");
	}
	t = count(s, c, "onfail_all");
	if (t.n && (t.failed < t.n || s->failhard))
		return skip_true(s, c, "State was not run because onfail req did not change");
	return true;
}

/* Conditions. */

static bool commands_succeed(struct salt *s, struct chunk *c, const char *kind)
{
	const struct value *list = arg_list(s, c, kind);

	for (size_t i = 0; i < list->list.n; i++) {
		_cleanup_strbuf_ struct strbuf out = {0};
		const struct value *v = list->list.items[i];

		if (v->kind == V_BOOL ? !v->b
				      : shell_run(s,
						  &(struct shell){.command = value_cstr(&s->h, v),
								  .user = arg_text(s, c, "runas", NULL),
								  .cwd = arg_text(s, c, "cwd", NULL),
								  .env = arg(c, "env")},
						  &out) != 0)
			return false;
	}
	return true;
}

static bool conditions_hold(struct salt *s, struct chunk *c)
{
	const struct value *creates = arg_list(s, c, "creates");
	bool missing = !creates->list.n;

	if (arg(c, "onlyif") && !commands_succeed(s, c, "onlyif"))
		return skip_true(s, c, "onlyif condition is false");
	if (arg(c, "unless") && commands_succeed(s, c, "unless"))
		return skip_true(s, c, "unless condition is true");
	for (size_t i = 0; i < creates->list.n; i++)
		missing |= access(rooted(s, value_cstr(&s->h, creates->list.items[i])), F_OK) < 0;
	return missing || skip_true(s, c, "All files in creates exist");
}

static void run_checked(struct salt *s, struct chunk *c, void (*run)(struct salt *s, struct chunk *c))
{
	const struct value *retry = arg(c, "retry"), *attempts = map_get_str(retry, "attempts");
	const struct value *interval = map_get_str(retry, "interval"), *until = map_get_str(retry, "until");
	int64_t left = !retry ? 1 : attempts && attempts->kind == V_INT ? attempts->i : 2;

	for (; left > 0; left--) {
		c->result = (struct result){.changes = map_new(&s->h)};
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
		"prereq_in",	"runas",      "umask"};

	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		if (!strcmp(common[i], key))
			return true;
	return false;
}

static bool parameters_known(struct salt *s, struct chunk *c, const struct state_function *f)
{
	_cleanup_free_ char *list = NULL;

	if (f->parameters[0] == '*' || asprintf(&list, " %s ", f->parameters) < 0)
		return true;
	for (size_t i = 0; i < c->args->map.n; i++) {
		const char *key = value_cstr(&s->h, c->args->map.pairs[i].key);
		const char *word = arena_printf(s->h.arena, " %s ", key);

		if (parameter_common(key) || strstr(list, word))
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

static void attempt(struct heap *h, void *data)
{
	struct attempt *a = data;

	(void)h;
	if (!parameters_known(a->s, a->c, a->f) || !conditions_hold(a->s, a->c))
		return;
	run_checked(a->s, a->c, a->f->run);
	if (a->f->watched && a->c->result.value == RESULT_TRUE && !a->c->result.changes->map.n &&
	    (count(a->s, a->c, "watch").changed || count(a->s, a->c, "watch_any").changed)) {
		a->c->result = (struct result){.changes = map_new(&a->s->h)};
		a->f->watched(a->s, a->c);
	}
}

/* umask 077 of YAML is octal already, "077" is not. */
static mode_t wanted_umask(struct salt *s, const struct chunk *c)
{
	const struct value *v = arg(c, "umask");

	return v->kind == V_INT && v->octal ? (mode_t)v->i & 0777 : (mode_t)strtoul(value_cstr(&s->h, v), NULL, 8) & 0777;
}

static int run_masked(struct salt *s, struct attempt *a)
{
	mode_t old = arg(a->c, "umask") ? umask(wanted_umask(s, a->c)) : 0;
	int r = heap_try(&s->h, attempt, a);

	if (arg(a->c, "umask"))
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
	target->result = (struct result){.changes = map_new(&s->h)};
	if (run_masked(s, &a) < 0 || target->result.value == RESULT_FALSE)
		f->failures++;
	f->changes += target->result.changes->map.n > 0;
	target->result = (struct result){.changes = map_new(&s->h)};
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
		return skip_false(s, c, "prereq");
	return !list || f.changes || skip_true(s, c, "No changes detected");
}

static void run_chunk(struct salt *s, struct chunk *c)
{
	struct attempt a = {s, c, state_find(c->module, c->function)};

	s->h.file = c->sls;
	s->h.line = 0;
	if (!requisites_hold(s, c) || !prereq_holds(s, c))
		return;
	if (run_masked(s, &a) < 0)
		result_fail(s, c, "%s", s->h.error->cause);
	if (c->result.value == RESULT_FALSE)
		c->outcome = OUTCOME_FAILED;
	else
		c->outcome = c->result.changes->map.n ? OUTCOME_CHANGED : OUTCOME_SAME;
}

static void add_indented(struct salt *s, struct text *out, struct blob text)
{
	struct blob line;
	bool first = true;

	for (; blob_token(&text, '\n', &line); first = false)
		text_printf(&s->h, out, "%s%.*s\n", first ? "" : "              ", BLOB_ARG(line));
	if (first)
		text_add_char(&s->h, out, '\n');
}

static void report(struct salt *s, struct chunk *c)
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
static void journal_keep(struct salt *s)
{
	if (s->journal >= 0 && !s->journal_failed && fsync(s->journal) < 0)
		journal_wrong(s, -errno);
}

/* What was applied, without any content: names only. */
static void journal(struct salt *s, const struct chunk *c)
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

static void run_listeners(struct salt *s, size_t *failed)
{
	for (size_t i = 0; i < s->n_plan; i++) {
		struct chunk *c = s->plan[i];
		const struct state_function *f = state_find(c->module, c->function);

		if (!arg(c, "listen") || !count(s, c, "listen").changed || !f->watched)
			continue;
		c->result = (struct result){.changes = map_new(&s->h)};
		f->watched(s, c);
		report(s, c);
		*failed += c->result.value == RESULT_FALSE;
	}
}

size_t salt_run(struct salt *s, size_t *changed)
{
	size_t failed = 0;

	*changed = 0;
	printf("%s:\n", s->id);
	for (size_t i = 0; i < s->n_plan; i++) {
		struct chunk *c = s->plan[i];

		run_chunk(s, c);
		journal(s, c);
		if (!s->quiet || c->outcome != OUTCOME_SAME)
			report(s, c);
		failed += c->result.value == RESULT_FALSE;
		*changed += c->outcome == OUTCOME_CHANGED;
		if (c->result.value == RESULT_FALSE && (s->failhard || arg_bool(c, "failhard", false)))
			break;
	}
	run_listeners(s, &failed);
	journal_keep(s);
	printf("\nSummary for %s\n------------\nSucceeded: %zu (%s=%zu)\nFailed:    %zu\n------------\n"
	       "Total states run:     %zu\n",
	       s->id, s->n_plan - failed, s->test ? "unchanged" : "changed",
	       s->test ? s->n_plan - failed - *changed : *changed, failed, s->n_plan);
	return failed;
}
