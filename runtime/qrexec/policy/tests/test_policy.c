/*
 * Promise: the policy language means what the case files in cases/ say. A case file:
 *
 *	-- etc/10-x.policy		what follows is this file (etc/, run/ and legacy/ are the places)
 *	...				a line \0 stands for a NUL byte
 *	++ 90-default.policy		and so is this file that we ship
 *	?? SOURCE TARGET SERVICE	a call ("-" for no target; SOURCE/REMOTE when a relay speaks for another)
 *	=> ...				what comes of it
 *	!! etc/10-x.policy:2: ...	an error of the policy that must be there
 *	-----				a new policy begins
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/tests/test.h"
#include "runtime/qrexec/policy/evaluate.h"

#define FOLDER "runtime/qrexec/policy/tests/"

struct scene {
	const char *dir; /* etc/, run/, legacy/ below it */
	const char *case_name;
	unsigned line;
	struct system_info *s;
	struct policy *p; /* loaded at the first question */
	struct strbuf file;
	char *file_name;
	char *answer; /* to the last question */
	unsigned errors_named;
};

static void finish_file(struct scene *c)
{
	_cleanup_free_ char *path = NULL;

	if (!c->file_name)
		return;
	path = xasprintf("%s/%s", c->dir, c->file_name);
	CHECK_INT(mkdir_parents(AT_FDCWD, path, 0755), 0);
	CHECK_INT(write_file(AT_FDCWD, path, strbuf_blob(&c->file).p, c->file.n, 0644), 0);
	strbuf_reset(&c->file);
	free(c->file_name);
	c->file_name = NULL;
}

static void load(struct scene *c)
{
	_cleanup_free_ char *etc = xasprintf("%s/etc", c->dir), *run = xasprintf("%s/run", c->dir);
	_cleanup_free_ char *legacy = xasprintf("%s/legacy", c->dir);
	const char *dirs[] = {run, etc, NULL};
	const struct policy_places places = {dirs, legacy};

	finish_file(c);
	if (!c->p)
		c->p = policy_load(&places);
}

static void finish_policy(struct scene *c)
{
	load(c);
	if (!CHECK_INT(c->p->errors.n, c->errors_named))
		for (size_t i = 0; i < c->p->errors.n; i++)
			printf("%s: has error %s\n", c->case_name, c->p->errors.v[i]);
	policy_free(c->p);
	c->p = NULL;
	c->errors_named = 0;
	remove_tree(AT_FDCWD, c->dir);
}

/* The decision as a line; paths without the folder of this run. */
static char *describe(const struct scene *c, struct arena *a, const struct policy_decision *d)
{
	struct strbuf out = {0};
	size_t n = strlen(c->dir) + 1;

	strbuf_add_str(&out, d->action == RULE_ALLOW ? "allow" : d->action == RULE_ASK ? "ask" : "deny");
	if (d->action == RULE_ALLOW)
		strbuf_printf(&out, " %s for %s", place_text(a, &d->target), d->requested_target);
	for (size_t i = 0; d->action == RULE_ASK && i < d->n_choices; i++)
		strbuf_printf(&out, "%s%s%s", i ? "," : " ", d->choices[i], d->choices[i] == d->default_choice ? "!" : "");
	if (d->user)
		strbuf_printf(&out, " user=%s", d->user);
	if (d->action == RULE_ALLOW && d->rewritten)
		strbuf_printf(&out, " service=%s", d->rewritten);
	if (d->policy_source)
		strbuf_printf(&out, " source=%s", d->policy_source);
	if (!d->autostart && d->action != RULE_DENY)
		strbuf_add_str(&out, " autostart=no");
	if (d->notify != (d->action == RULE_DENY))
		strbuf_printf(&out, " notify=%s", d->notify ? "yes" : "no");
	if (d->rule)
		strbuf_printf(&out, " [%s:%u]", d->rule->file + n, d->rule->line);
	if (d->reason)
		strbuf_printf(&out, " because %s", strncmp(d->reason, "the policy has an error", 23) ? d->reason : "error");
	return strbuf_steal(&out);
}

static void ask(struct scene *c, const char *line)
{
	_cleanup_arena_ struct arena *a = arena_new();
	char source[128], target[128], service[128], *slash;
	struct policy_decision d;

	load(c);
	if (!CHECK_INT(sscanf(line, "%127s %127s %127s", source, target, service), 3))
		return;
	slash = strchr(source, '/');
	if (slash)
		*slash++ = '\0';
	policy_evaluate(c->p, c->s,
			&(struct policy_request){.source = source,
						 .requested_source = slash,
						 .target = strcmp(target, "-") ? target : "",
						 .service = service},
			a, &d);
	free(c->answer);
	c->answer = describe(c, a, &d);
}

/* The message with its paths as they are in the case. */
static char *without_folder(const struct scene *c, const char *message)
{
	struct strbuf out = {0};
	size_t n = strlen(c->dir);
	const char *at;

	for (; (at = strstr(message, c->dir)); message = at + n + 1)
		strbuf_add(&out, message, (size_t)(at - message));
	strbuf_add_str(&out, message);
	return strbuf_steal(&out);
}

static void expect_error(struct scene *c, const char *want)
{
	load(c);
	for (size_t i = 0; i < c->p->errors.n; i++) {
		_cleanup_free_ char *have = without_folder(c, c->p->errors.v[i]);

		if (strncmp(have, want, strlen(want)) == 0) {
			c->errors_named++;
			return;
		}
	}
	printf("%s:%u: this error is missing\n", c->case_name, c->line);
	CHECK_STR(c->p->errors.n ? c->p->errors.v[0] + strlen(c->dir) + 1 : "no error", want);
}

static void take_shipped(struct scene *c, const char *name)
{
	_cleanup_free_ char *path = xasprintf("runtime/qrexec/policy/default/%s", name);

	finish_file(c);
	c->file_name = xasprintf("etc/%s", name);
	CHECK_INT(read_file(AT_FDCWD, path, 1 << 20, &c->file), 0);
}

static void take_line(struct scene *c, const char *line)
{
	if (strcmp(line, "-----") == 0) {
		finish_policy(c);
	} else if (strncmp(line, "-- ", 3) == 0) {
		finish_file(c);
		c->file_name = xstrdup(line + 3);
	} else if (strncmp(line, "++ ", 3) == 0) {
		take_shipped(c, line + 3);
	} else if (strncmp(line, "?? ", 3) == 0) {
		ask(c, line + 3);
	} else if (strncmp(line, "=> ", 3) == 0) {
		if (!CHECK_STR(c->answer, line + 3))
			printf("  at %s:%u\n", c->case_name, c->line);
	} else if (strncmp(line, "!! ", 3) == 0) {
		expect_error(c, line + 3);
	} else if (c->file_name && strcmp(line, "\\0") == 0) {
		strbuf_add_char(&c->file, '\0');
	} else if (c->file_name) {
		strbuf_printf(&c->file, "%s\n", line);
	}
}

static void run_case(const char *name, struct system_info *s)
{
	_cleanup_free_ char *path = xasprintf(FOLDER "cases/%s", name), *dir = xasprintf("%s/p", test_dir());
	_cleanup_strbuf_ struct strbuf text = {0};
	struct scene c = {.dir = dir, .case_name = name, .s = s};
	struct blob rest, line;

	if (!CHECK_INT(read_file(AT_FDCWD, path, 1 << 20, &text), 0))
		return;
	rest = strbuf_blob(&text);
	while (blob_token(&rest, '\n', &line)) {
		_cleanup_free_ char *l = blob_dup(line);

		c.line++;
		take_line(&c, l);
	}
	finish_policy(&c);
	free(c.answer);
	free(c.file_name);
	strbuf_free(&c.file);
}

static struct system_info *qubes(void)
{
	_cleanup_strbuf_ struct strbuf json = {0};
	struct error err = {0};

	CHECK_INT(read_file(AT_FDCWD, FOLDER "system.json", 1 << 20, &json), 0);
	return system_info_parse(strbuf_blob(&json).p, json.n, &err);
}

TEST(policy_cases)
{
	_cleanup_system_info_ struct system_info *s = qubes();
	_cleanup_closedir_ DIR *d = opendir(FOLDER "cases");
	const struct dirent *e;
	unsigned n = 0;

	if (!CHECK(s && d))
		return;
	while ((e = readdir(d))) {
		if (!blob_has_suffix(blob_of(e->d_name), ".case"))
			continue;
		run_case(e->d_name, s);
		n++;
	}
	CHECK(n > 0);
}

TEST(system_info_that_is_none)
{
	static const char *const bad[] = {
		"", "{}", "[]", "{\"domains\": []}", "{\"domains\": {\"a\": {}}}", "{\"domains\": {\"a\": 1}}",
		"{\"domains\": {\"a\": {\"type\": \"AppVM\"}}}", "{\"domains\": {\"a\": {\"tags\": []}}}",
		"{\"domains\": {\"a\": {\"type\": \"AppVM\", \"tags\": []}, \"a\": {\"type\": \"AppVM\", \"tags\": []}}}",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct error err = {0};

		if (!CHECK(system_info_parse(bad[i], strlen(bad[i]), &err) == NULL))
			printf("  %s\n", bad[i]);
		error_free(&err);
	}
}

TEST(answers_to_a_question)
{
	_cleanup_system_info_ struct system_info *s = qubes();
	_cleanup_arena_ struct arena *a = arena_new();
	const char *choices[] = {"vault", "@dispvm:dvm", "@adminvm"};
	static const struct {
		const char *choice, *target;
	} answers[] = {{"vault", "vault"}, {"@dispvm:dvm", "@dispvm:dvm"}, {"@adminvm", "@adminvm"},
		       {"personal", NULL}, {"", NULL}, {"@anyvm", NULL}};

	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		struct policy_decision d = {.action = RULE_ASK, .autostart = true, .choices = choices, .n_choices = 3};

		d.source = system_info_find(s, "work");
		policy_decision_choose(&d, s, a, answers[i].choice);
		CHECK_INT(d.action, answers[i].target ? RULE_ALLOW : RULE_DENY);
		if (answers[i].target)
			CHECK_STR(place_text(a, &d.target), answers[i].target);
	}
}
