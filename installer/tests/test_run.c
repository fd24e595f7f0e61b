/* Promise: steps run in order; the first failure stops, is named by its step, and what a step opened is closed. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/tests/test.h"
#include "common/ui/event.h"
#include "installer/run.h"

static char trace[64];

static int trace_run(struct install *in, struct error *err)
{
	(void)err;
	strcat(trace, in->step->id);
	install_progress_total(in, 100);
	install_progress_add(in, 100);
	return 0;
}

static int trace_fail(struct install *in, struct error *err)
{
	strcat(trace, in->step->id);
	return error_set(err, -EIO, "thing", "mend it", "broke");
}

static int trace_after(struct install *in, struct error *err)
{
	(void)in;
	(void)err;
	strcat(trace, "!");
	return 0;
}

static int run_steps(struct step *steps, size_t n, struct strbuf *events, struct error *err)
{
	const struct plan plan = {.steps = steps, .n_steps = n, .places = {.target = "/nowhere/target"}};
	_cleanup_free_ char *path = xasprintf("%s/events", test_dir());
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int r;

	trace[0] = '\0';
	event_open_fd(fd);
	r = install_run(&plan, &(struct install_options){0}, err);
	event_open_fd(-1);
	read_file(AT_FDCWD, path, 65536, events);
	return r;
}

TEST(run_in_order)
{
	struct step steps[] = {{.id = "a", .sentence = "A", .run = trace_run},
			       {.id = "b", .sentence = "B", .run = trace_run, .after = trace_after},
			       {.id = "c", .sentence = "C", .run = trace_run}};
	_cleanup_strbuf_ struct strbuf events = {0};
	_cleanup_error_ struct error err = {0};

	CHECK_INT(run_steps(steps, 3, &events, &err), 0);
	CHECK_STR(trace, "ab!c");
	CHECK(strstr(events.p, "{\"event\":\"install.step\",\"id\":\"a\",\"n\":\"1\",\"of\":\"3\",\"sentence\":\"A\"}\n"));
	CHECK(strstr(events.p, "\"id\":\"c\",\"n\":\"3\""));
}

TEST(run_stops_at_a_failure)
{
	struct step steps[] = {{.id = "a", .sentence = "A", .run = trace_run},
			       {.id = "b", .sentence = "B", .run = trace_fail, .after = trace_after},
			       {.id = "c", .sentence = "C", .run = trace_run}};
	_cleanup_strbuf_ struct strbuf events = {0};
	_cleanup_error_ struct error err = {0};

	CHECK_INT(run_steps(steps, 3, &events, &err), -EIO);
	CHECK_STR(trace, "ab!");
	CHECK_STR(err.object, "b: thing");
	CHECK_STR(err.cause, "broke");
	CHECK_STR(err.remedy, "mend it");
}

/* What can be lived without is told to whoever reads the end of it, with what to do. */
TEST(run_goes_on_without_what_has_an_instead)
{
	struct step steps[] = {{.id = "a", .sentence = "A", .run = trace_fail, .instead = "do it by hand"},
			       {.id = "b", .sentence = "B", .run = trace_run}};
	const struct plan plan = {.steps = steps, .n_steps = 2, .places = {.target = "/nowhere/target"}};
	_cleanup_strv_ struct strv skipped = {0};
	_cleanup_error_ struct error err = {0};

	trace[0] = '\0';
	CHECK_INT(install_run(&plan, &(struct install_options){.skipped = &skipped}, &err), 0);
	CHECK_STR(trace, "ab");
	if (CHECK_INT(skipped.n, 1))
		CHECK_STR(skipped.v[0], "a: thing: broke; do it by hand");
}

TEST(run_stops_at_a_failed_command)
{
	const char *const argv[] = {"sh", "-c", "echo some reason >&2; exit 3", NULL};
	const char *const *const commands[] = {argv, NULL};
	struct step steps[] = {{.id = "a", .sentence = "A", .run = trace_run, .commands = commands, .after = trace_after},
			       {.id = "b", .sentence = "B", .run = trace_run}};
	_cleanup_strbuf_ struct strbuf events = {0};
	_cleanup_error_ struct error err = {0};

	CHECK(run_steps(steps, 2, &events, &err) < 0);
	CHECK_STR(trace, "a!");
	CHECK_STR(err.object, "a: sh -c 'echo some reason >&2; exit 3'");
	CHECK(strstr(events.p, "\"event\":\"install.command\",\"id\":\"a\",\"done\":\"0\",\"total\":\"1\""));
	CHECK(err.cause && strstr(err.cause, "some reason"));
}
