/* Promises: what is given is in force before the first question; what is new is typed twice, also when going on. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/tests/test.h"
#include "installer/session.h"

static void nothing(void)
{
}

static enum front_result leave(const struct prompt *p, struct secret *text, size_t *choice)
{
	(void)p;
	(void)text;
	(void)choice;
	return FRONT_END;
}

static const struct front leaving = {leave, nothing, nothing, nothing};

/* A root that has the layout `de`, and a loadkeys that notes what it was called with. */
static void make_layouts(int dir, const char *top)
{
	_cleanup_free_ char *script = xasprintf("#!/bin/sh\necho \"$@\" >>%s/loaded\n", top);
	_cleanup_free_ char *path = xasprintf("%s/bin:%s", top, getenv("PATH"));

	CHECK_INT(mkdir_parents(dir, "source/usr/share/keymaps/i386/qwertz/de.kmap.gz", 0755), 0);
	CHECK_INT(write_file(dir, "source/usr/share/keymaps/i386/qwertz/de.kmap.gz", "", 0, 0644), 0);
	CHECK_INT(mkdir_p(dir, "bin", 0755), 0);
	CHECK_INT(write_file(dir, "bin/loadkeys", script, strlen(script), 0755), 0);
	setenv("PATH", path, 1);
}

static int begin(const char *source, const char *keymap, struct error *err)
{
	_cleanup_answers_ struct answers answers = {0};
	struct facts facts = {0};
	struct plan plan = {0};
	struct session s = {.facts = &facts, .answers = &answers, .places = {.source = source}, .front = &leaving};
	char *why;

	answers_new(&answers, "test");
	if (keymap)
		CHECK_INT(question_answer(&answers, question_find("keymap"), keymap, &why), 0);
	return session_run(&s, &plan, err);
}

TEST(a_given_layout_is_loaded_before_anything_is_asked)
{
	const char *top = test_dir();
	_cleanup_close_ int dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *source = xasprintf("%s/source", top), *path = xstrdup(getenv("PATH"));
	_cleanup_error_ struct error err = {0};
	_cleanup_strbuf_ struct strbuf loaded = {0};

	make_layouts(dir, top);
	CHECK_INT(begin(source, NULL, &err), -ECANCELED);
	CHECK_INT(begin(source, "no-such-layout", &err), -ENOENT);
	CHECK(err.cause && strstr(err.cause, "no keyboard layout 'no-such-layout'"));
	CHECK(faccessat(dir, "loaded", F_OK, 0) < 0);
	CHECK_INT(begin(source, "de", &err), -ECANCELED);
	setenv("PATH", path, 1);
	if (access("/dev/tty0", F_OK))
		return; /* no console whose layout it could be */
	CHECK_INT(read_file(dir, "loaded", 256, &loaded), 0);
	CHECK(loaded.p && strstr(loaded.p, " de\n"));
}

static size_t secrets;

/* Types one secret whenever one is wanted, and leaves at the plan. */
static enum front_result type_secret(const struct prompt *p, struct secret *text, size_t *choice)
{
	(void)choice;
	if (!p->secret)
		return FRONT_END;
	secrets++;
	secret_set(text, "correct horse");
	return FRONT_ANSWER;
}

static size_t secrets_typed(bool resumed)
{
	static const char *const given[][2] = {
		{"keymap", "us"}, {"disk.serial", "S"}, {"layout", "whole-disk"}, {"recovery", "no"}, {"user.name", "alice"},
		{"timezone", "UTC"}, {"report-stick", "no"}, {"after", "stay"}, {"accept-missing", "iommu"}};
	static const struct front typing = {type_secret, nothing, nothing, nothing};
	_cleanup_answers_ struct answers answers = {0};
	const struct facts facts = {0};
	struct dialogue d = {.front = &typing, .facts = &facts, .answers = &answers, .resumed = resumed, .simulate = true};
	char *why;

	answers_new(&answers, "test");
	for (size_t i = 0; i < sizeof(given) / sizeof(*given); i++)
		CHECK_INT(question_answer(&answers, question_find(given[i][0]), given[i][1], &why), 0);
	secrets = 0;
	CHECK_INT(dialogue_run(&d, NULL), -ECANCELED);
	return secrets;
}

TEST(a_new_password_is_typed_twice_also_when_going_on)
{
	CHECK_INT(secrets_typed(false), 4);
	CHECK_INT(secrets_typed(true), 3);
}
