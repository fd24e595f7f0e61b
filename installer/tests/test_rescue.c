/* Promises: what a person chooses after a failure is what happens; undoing is offered only where it is possible. */
#include <string.h>

#include "common/tests/test.h"
#include "installer/questions/dialogue.h"

static struct {
	const char *const *lines; /* what is typed, one after the other; NULL: back */
	bool first, problem;
	size_t choice, choices;
	enum front_result result;
	char text[512];
} scripted;

static enum front_result scripted_ask(const struct prompt *p, struct secret *text, size_t *choice)
{
	(void)text;
	for (scripted.choices = 0; p->choices[scripted.choices];)
		scripted.choices++;
	snprintf(scripted.text, sizeof(scripted.text), "%s", p->text);
	*choice = scripted.choice;
	return scripted.result;
}

static void nothing(void)
{
}

static const struct front front = {scripted_ask, nothing, nothing, nothing};

static enum dialogue_rescue choose(size_t choice, bool can_undo)
{
	char object[] = "/dev/vda", cause[] = "broke", remedy[] = "mend it";
	const struct error failure = {object, cause, remedy};

	scripted.choice = choice;
	scripted.result = FRONT_ANSWER;
	return dialogue_failure(&front, "copy", &failure, can_undo);
}

static enum front_result typed_ask(const struct prompt *p, struct secret *text, size_t *choice)
{
	(void)choice;
	scripted.first |= p->first;
	scripted.problem |= p->problem != NULL;
	CHECK(p->secret && p->explain);
	if (!*scripted.lines)
		return FRONT_BACK;
	secret_set(text, *scripted.lines++);
	return FRONT_ANSWER;
}

TEST(another_passphrase_is_asked_for)
{
	static const struct front typed = {typed_ask, nothing, nothing, nothing};
	static const char *const lines[] = {"", "correct horse", NULL};
	struct answers answers;

	answers_new(&answers, "test");
	scripted.lines = lines;
	scripted.first = scripted.problem = false;
	CHECK(dialogue_passphrase(&typed, &answers));
	CHECK_STR(answers.passphrase.p, "correct horse");
	/* An empty one is refused there; whoever has none goes back to the choice. */
	CHECK(scripted.problem && !scripted.first);
	CHECK(!dialogue_passphrase(&typed, &answers));
	answers_free(&answers);
}

TEST(rescue_choices)
{
	CHECK(choose(0, false) == RESCUE_RETRY);
	CHECK(strstr(scripted.text, "The step 'copy' failed.\n\n/dev/vda: broke.\nmend it") != NULL);
	CHECK_INT(scripted.choices, 3);
	CHECK(choose(1, false) == RESCUE_LOGS);
	CHECK(choose(2, false) == RESCUE_LEAVE);
	CHECK(choose(3, true) == RESCUE_UNDO);
	CHECK_INT(scripted.choices, 4);
}

TEST(rescue_terminal_gone)
{
	const struct error failure = {0};

	scripted.result = FRONT_END;
	CHECK(dialogue_failure(&front, "copy", &failure, true) == RESCUE_LEAVE);
}

TEST(resume_is_offered)
{
	scripted.result = FRONT_ANSWER;
	scripted.choice = 0;
	CHECK(dialogue_resume(&front, "vda (20 GiB)", "copy"));
	CHECK(strstr(scripted.text, "vda (20 GiB)") && strstr(scripted.text, "finished step: copy"));
	scripted.choice = 1;
	CHECK(!dialogue_resume(&front, "vda", "copy"));
	scripted.result = FRONT_END;
	CHECK(!dialogue_resume(&front, "vda", "copy"));
}
