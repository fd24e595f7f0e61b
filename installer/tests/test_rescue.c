/* Promises: what a person chooses after a failure is what happens; undoing is offered only where it is possible. */
#include <string.h>

#include "common/tests/test.h"
#include "installer/questions/dialogue.h"

static struct {
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
