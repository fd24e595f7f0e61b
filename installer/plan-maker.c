#include "installer/plan-maker.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/alloc.h"

enum { LINES_MAX = 64, ARGV_MAX = 24 };

void maker_step(struct maker *m, const char *id, int (*run)(struct install *, struct error *), const char *sentence)
{
	m->step = &m->plan->steps[m->plan->n_steps++];
	m->step->id = id;
	m->step->run = run;
	m->step->sentence = sentence;
}

void maker_call(struct maker *m, const char *fmt, ...)
{
	_cleanup_free_ char *line = NULL;
	const char **calls;
	va_list args;
	size_t n = 0;

	if (!m->step->calls)
		m->step->calls = arena_alloc(m->plan->arena, LINES_MAX * sizeof(*calls));
	calls = (const char **)(uintptr_t)m->step->calls;
	while (calls[n])
		n++;
	va_start(args, fmt);
	if (vasprintf(&line, fmt, args) < 0)
		abort();
	va_end(args);
	if (n + 1 < LINES_MAX)
		calls[n] = arena_strdup(m->plan->arena, line);
}

void maker_command(struct maker *m, const char *program, ...)
{
	const char **argv = arena_alloc(m->plan->arena, ARGV_MAX * sizeof(*argv));
	const char *const **commands;
	va_list args;
	size_t n = 0, count = 0;

	va_start(args, program);
	for (const char *arg = program; arg && n + 1 < ARGV_MAX; arg = va_arg(args, const char *))
		argv[n++] = arena_strdup(m->plan->arena, arg);
	va_end(args);
	if (!m->step->commands)
		m->step->commands = arena_alloc(m->plan->arena, LINES_MAX * sizeof(*commands));
	commands = (const char *const **)(uintptr_t)m->step->commands;
	while (commands[count])
		count++;
	if (count + 1 < LINES_MAX)
		commands[count] = argv;
}
