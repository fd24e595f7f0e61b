/* Runs the plan: requisites, conditions, the state itself, what watches it. */
#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "common/sys/file.h"
#include "common/sys/journal.h"
#include "common/sys/process.h"
#include "salt-lite/engine/run.h"
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

bool arg_mode(struct salt *s, const struct chunk *c, const char *name, mode_t *mode)
{
	const struct value *v = arg(c, name);
	unsigned long n = ULONG_MAX;
	const char *text, *digits;
	char *end;

	if (!v || v->kind == V_NONE)
		return false;
	text = value_cstr(&s->h, v);
	digits = text + (strncmp(text, "0o", 2) ? 0 : 2);
	/* 0644 without quotes is the number 644: its digits are the mode. */
	if (isdigit((unsigned char)digits[0])) {
		n = strtoul(digits, &end, 8);
		n = *end ? ULONG_MAX : n;
	}
	if (n > 07777)
		heap_fail(&s->h, "'%s' is no mode", text);
	*mode = (mode_t)n;
	return true;
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

int output_run(struct process *p, size_t max, struct strbuf *out)
{
	char rest[4096];
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	p->stdout_fd = p->stderr_fd = ends[1];
	pid = process_spawn(p);
	close(ends[1]);
	if (pid > 0 && read_fd(ends[0], max, out) == -EFBIG)
		while (read(ends[0], rest, sizeof(rest)) > 0)
			;
	close(ends[0]);
	return pid < 0 ? (int)pid : process_wait(pid);
}

int shell_run(struct salt *s, const struct shell *shell, struct strbuf *out)
{
	enum { VARIABLES_MAX = 64 };
	const char *argv[VARIABLES_MAX + 16];
	_cleanup_close_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	size_t n = 0;

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
	s->qubes = (struct blob){0};
	return output_run(&(struct process){.argv = argv, .cwd = shell->cwd, .stdin_fd = null}, OUTPUT_MAX, out);
}

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
