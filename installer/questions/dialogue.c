#include "installer/questions/dialogue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/alloc.h"
#include "common/base/strv.h"
#include "common/sys/process.h"
#include "installer/localise.h"
#include "installer/questions/quality.h"

enum screen_id { SCREEN_MACHINE, SCREEN_QUESTION, SCREEN_AGAIN, SCREEN_PLAN, SCREEN_END };

/* Where the conversation is: a screen, and for questions which one. */
struct place {
	enum screen_id id;
	const struct question *question;
};

struct talk {
	struct dialogue *d;
	struct secret text; /* the answer just given */
	struct secret first; /* of a secret that is typed twice */
	size_t choice;
	char *problem;	    /* why it was not taken, a sentence; NULL: it was */
	uint64_t asked; /* a bit a question: answered here, so it may be asked again when going back */
	bool machine_given, machine_seen;
};

static void start_shell(const struct front *front)
{
	static const char *const argv[] = {"/bin/sh", NULL};
	const struct process shell = {.argv = argv};

	front->pause();
	printf("\nA shell; leave it with 'exit' to go on.\n");
	fflush(stdout);
	process_run(&shell);
	front->resume();
}

static enum front_result ask(const struct front *front, const struct prompt *p, struct secret *text, size_t *choice)
{
	enum front_result r;

	while ((r = front->ask(p, text, choice)) == FRONT_SHELL)
		start_shell(front);
	return r;
}

static enum front_result talk_ask(struct talk *t, struct prompt *p)
{
	_cleanup_free_ char *problem = take_ptr(t->problem);

	p->problem = problem;
	return ask(t->d->front, p, &t->text, &t->choice);
}

/* Gives the answer to its question; NULL, or why it is not taken, as a sentence. */
static char *give(struct answers *a, const struct question *q, const char *text)
{
	_cleanup_free_ char *why = NULL;

	return question_answer(a, q, text, &why) ? xasprintf("That cannot be: it %s.", why) : NULL;
}

static bool verdict_any_missing(const struct verdict *v)
{
	for (size_t i = 0; i < FEATURES; i++)
		if (verdict_is_missing(v->item[i].state))
			return true;
	return false;
}

static enum front_result ask_machine(struct talk *t)
{
	static const char *const good[] = {"go on", "leave", NULL};
	static const char *const bad[] = {"leave, and switch on in the firmware setup what is missing",
					  "install all the same; I accept what is missing", NULL};
	_cleanup_strbuf_ struct strbuf text = {0};
	struct answers *a = t->d->answers;
	struct verdict verdict;
	bool missing;
	struct prompt p = {.title = "This machine", .first = true,
			   .explain = "Xen keeps qubes apart with features of the processor and the chipset that firmware "
				      "likes to switch off. Each was looked for in several places; what was found is said "
				      "above."};
	enum front_result r;

	verdict_make(t->d->facts, a->arena, &verdict);
	missing = verdict_any_missing(&verdict);
	strbuf_add_str(&text, "Nothing is written before you confirm the plan at the end.\n\n");
	verdict_write(&verdict, &text);
	p.text = text.p;
	p.choices = missing ? bad : good;
	r = talk_ask(t, &p);
	if (r == FRONT_ANSWER && t->choice != missing)
		return FRONT_END;
	if (r == FRONT_ANSWER && missing)
		for (size_t i = 0; i < FEATURES; i++) {
			char *why;

			if (verdict_is_missing(verdict.item[i].state))
				question_answer(a, question_find("accept-missing"),
						verdict_feature_key((enum verdict_feature)i), &why);
		}
	return r;
}

static bool names_disk(const struct disk *disk, const char *text)
{
	return disk && (!strcmp(text, disk->name) || (disk->serial && !strcmp(text, disk->serial)) ||
			(disk->id && !strcmp(text, disk->id)));
}

/* What cannot be done with the disk is said when it is chosen, and not when the plan is made. */
static void try_disk(struct talk *t)
{
	_cleanup_error_ struct error err = {0};
	struct answers *a = t->d->answers;
	const struct disk *disk = plan_named_disk(t->d->facts, t->d->answers);

	if (plan_check_disk(a->arena, disk, &err) == 0)
		return;
	t->problem = xasprintf("Disk %s cannot be used: %s.", disk->name, err.cause);
	question_forget(a, question_find("disk.serial"));
}

static void try_layout(struct talk *t, const struct question *q)
{
	_cleanup_error_ struct error err = {0};
	struct answers *a = t->d->answers;
	const struct disk *disk = plan_named_disk(t->d->facts, t->d->answers);
	struct layout layout;

	if (!disk || (layout_make(a->arena, disk, a->layout, !a->plain, &layout, &err) == 0 &&
		      plan_check_bios_loader(a->arena, t->d->facts, a, disk, &layout, &err) == 0))
		return;
	t->problem = xasprintf("Disk %s: %s; %s.", disk->name, err.cause, err.remedy);
	question_forget(a, q);
}

/* Disks that could be meant, as choices; their names in *names. */
static void list_disks(const struct facts *facts, struct arena *a, struct strv *texts, struct strv *names)
{
	for (const struct disk *d = facts->disks; d; d = d->next) {
		if (d->medium || d->read_only)
			continue;
		strv_pushf(texts, "%s: %s, %s, %s%s%s%s, serial %s", d->name, facts_size(a, d->size),
			   d->transport ? d->transport : "?", d->partitions || d->type ? "not empty" : "empty",
			   d->in_use ? ", in use" : "", d->model ? ", " : "", d->model ? d->model : "",
			   d->serial ? d->serial : "none");
		strv_push(names, d->name);
	}
}

static enum front_result ask_disk(struct talk *t, const struct question *q)
{
	_cleanup_strv_ struct strv texts = {0}, names = {0};
	struct answers *a = t->d->answers;
	struct prompt p = {.title = q->title, .text = q->prompt, .explain = q->help, .first = t->machine_given};
	enum front_result r;

	list_disks(t->d->facts, a->arena, &texts, &names);
	for (size_t i = 0; a->disk_value && i < names.n; i++)
		if (!strcmp(names.v[i], a->disk_value))
			p.chosen = i;
	if (!texts.n) {
		strv_push(&texts, "leave");
		p.text = "There is no disk to install on. Is a controller in RAID mode, or the disk not plugged in?";
	}
	p.choices = (const char *const *)texts.v;
	r = talk_ask(t, &p);
	if (r == FRONT_ANSWER && !names.n)
		return FRONT_END;
	if (r == FRONT_ANSWER) {
		a->disk = DISK_BY_NAME;
		a->disk_value = arena_strdup(a->arena, names.v[t->choice]);
		a->disk_line = 0;
		try_disk(t);
	}
	return r;
}

static enum front_result ask_words(struct talk *t, const struct question *q, struct prompt *p)
{
	_cleanup_strbuf_ struct strbuf had = {0};
	enum front_result r;
	const char *proposed = q->standard;

	if (question_is_given(t->d->answers, q) && q->get && q->get(t->d->answers, &had))
		proposed = had.p;
	p->choices = q->word_texts ? q->word_texts : q->words;
	for (size_t i = 0; proposed && q->words[i]; i++)
		if (!strcmp(q->words[i], proposed))
			p->chosen = i;
	r = talk_ask(t, p);
	if (r == FRONT_ANSWER)
		t->problem = give(t->d->answers, q, q->words[t->choice]);
	if (r == FRONT_ANSWER && !strcmp(q->key, "layout"))
		try_layout(t, q);
	return r;
}

/* The question, and under it the disk and what is on it. */
static char *disk_text(const struct talk *t, const struct question *q)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	const struct disk *disk = plan_named_disk(t->d->facts, t->d->answers);
	struct arena *a = t->d->answers->arena;

	strbuf_add_str(&text, q->prompt);
	if (disk) {
		strbuf_printf(&text, "\n\n%s%s\n", facts_disk_name(a, disk),
			      disk->table || disk->type ? "" : ": nothing recognised on it");
		facts_write_signature(disk, &text);
	}
	for (const struct partition *p = disk ? disk->partitions : NULL; p; p = p->next)
		facts_write_partition(a, p, "", &text);
	return strbuf_steal(&text);
}

static enum front_result ask_line(struct talk *t, const struct question *q, struct prompt *p)
{
	const struct disk *disk = plan_named_disk(t->d->facts, t->d->answers);
	_cleanup_strbuf_ struct strbuf had = {0};
	bool erase = !strcmp(q->key, "erase");
	enum front_result r;

	p->standard = q->standard;
	if (question_is_given(t->d->answers, q) && !erase && q->get && q->get(t->d->answers, &had))
		p->standard = had.p;
	r = talk_ask(t, p);
	if (r != FRONT_ANSWER)
		return r;
	if (erase && !names_disk(disk, t->text.p))
		t->problem = xasprintf("That is not the disk that was chosen, which is %s.", disk ? disk->name : "none");
	else
		t->problem = give(t->d->answers, q, t->text.p);
	return r;
}

/* Sixteen letters that lie on the same keys of nearly all layouts: 32 of them are 128 bits. */
static void make_recovery_key(struct secret *out)
{
	static const char letters[] = "cbdefghijklnrtuv";
	unsigned char random[32];
	char text[sizeof(random) + sizeof(random) / 4];
	size_t n = 0;

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		abort();
	for (size_t i = 0; i < sizeof(random); i++) {
		if (i && i % 4 == 0)
			text[n++] = '-';
		text[n++] = letters[random[i] % 16];
	}
	text[n] = '\0';
	secret_set(out, text);
	explicit_bzero(text, sizeof(text));
	explicit_bzero(random, sizeof(random));
}

/* Shown here, typed back on the next screen. */
static enum front_result ask_recovery_key(struct talk *t, const struct question *q)
{
	static const char *const choices[] = {"it is written down", NULL};
	struct prompt p = {.title = q->title, .explain = q->help, .choices = choices};
	_cleanup_strbuf_ struct strbuf text = {0};
	enum front_result r;

	if (!question_is_given(t->d->answers, q))
		make_recovery_key(&t->first);
	else
		secret_set(&t->first, t->d->answers->recovery_key.p);
	strbuf_printf(&text, "%s\n\n    %s\n\nIt opens the disk as the passphrase does. It is shown only now.", q->prompt,
		      t->first.p);
	p.text = text.p;
	r = talk_ask(t, &p);
	explicit_bzero(text.p, text.n);
	if (r == FRONT_ANSWER)
		t->problem = give(t->d->answers, q, t->first.p);
	return r;
}

/* A name that the medium does not know is found out here, and not when the plan runs. */
static void try_answer(struct talk *t, const struct question *q)
{
	_cleanup_error_ struct error err = {0};
	int r = t->d->simulate ? 0 : localise_check(t->d->places.source, q->key, t->text.p, &err);

	if (r == 0 && !t->d->simulate && !strcmp(q->key, "keymap"))
		r = localise_load_keymap(t->text.p, &err);
	if (r == 0)
		return;
	t->problem = xasprintf("That cannot be: %s.", err.cause);
	question_forget(t->d->answers, q);
}

static enum front_result ask_question(struct talk *t, const struct question *q)
{
	bool about_disk = !strcmp(q->key, "layout") || !strcmp(q->key, "erase");
	_cleanup_free_ char *text = about_disk ? disk_text(t, q) : xstrdup(q->prompt);
	struct prompt p = {.title = q->title, .text = text, .explain = q->help ? q->help : q->explain,
			   .secret = q->kind == QUESTION_SECRET};
	enum front_result r;

	if (!strcmp(q->key, "disk.serial"))
		return ask_disk(t, q);
	if (!strcmp(q->key, "recovery-key"))
		return ask_recovery_key(t, q);
	if (q->kind == QUESTION_WORD)
		return ask_words(t, q, &p);
	r = ask_line(t, q, &p);
	if (r == FRONT_ANSWER && !t->problem)
		try_answer(t, q);
	if (r == FRONT_ANSWER && p.secret && !t->problem)
		secret_set(&t->first, t->text.p);
	return r;
}

/* A secret is typed twice: what was mistyped once would lock the disk for ever. */
static enum front_result ask_again(struct talk *t, const struct question *q)
{
	unsigned bits = quality_bits(t->first.p, t->first.n);
	_cleanup_free_ char *text = xasprintf("%s\n\nIt would take about 2^%u guesses: %s.%s Once more, please:", q->prompt,
					      bits, quality_word(bits),
					      bits < 45 ? " Going back to take a longer one is advised." : "");
	struct prompt p = {.title = q->title, .text = text, .explain = q->help ? q->help : q->explain, .secret = true};
	enum front_result r;

	if (!strcmp(q->key, "recovery-key"))
		p.text = "Type the recovery key, with its hyphens:";
	r = talk_ask(t, &p);
	if (r == FRONT_ANSWER && strcmp(t->text.p, t->first.p)) {
		t->problem = xstrdup(strcmp(q->key, "recovery-key") ? "That is not what was typed the first time; type both again."
								    : "That is not the key.");
		secret_wipe(&t->first);
		/* A recovery key was not typed but shown: it is shown once more. */
		if (strcmp(q->key, "recovery-key") != 0)
			question_forget(t->d->answers, q);
	}
	return r;
}

static enum front_result ask_plan(struct talk *t)
{
	static const char *const run[] = {"install now", "go back and change something", "leave; nothing is written", NULL};
	static const char *const simulated[] = {"done", "go back and change something", "leave", NULL};
	_cleanup_plan_ struct plan plan = {0};
	_cleanup_error_ struct error err = {0};
	_cleanup_strbuf_ struct strbuf text = {0};
	struct prompt p = {.title = "The plan", .choices = t->d->simulate ? simulated : run,
			   .explain = "All that will be done, in its order, with the exact commands. Up to here nothing "
				      "was written."};
	enum front_result r;
	int made = plan_make(t->d->facts, t->d->answers, &t->d->places, &plan, &err);

	if (made == 0) {
		plan_write(&plan, &text);
	} else {
		strbuf_printf(&text, "This cannot be installed.\n\n%s: %s.\n%s", err.object, err.cause,
			      err.remedy ? err.remedy : "");
		p.chosen = 1;
	}
	p.text = text.p;
	r = talk_ask(t, &p);
	if (r == FRONT_ANSWER && t->choice == 1)
		return FRONT_BACK;
	if (r == FRONT_ANSWER && t->choice == 2)
		return FRONT_END;
	if (r == FRONT_ANSWER && made < 0)
		t->problem = xstrdup("It cannot be installed like this.");
	return r;
}

static uint64_t bit(const struct question *q)
{
	return 1ULL << (q - questions());
}

/* Is this question asked now: has it words for it, is it open, or was it answered here before? */
static bool is_asked(const struct talk *t, const struct question *q)
{
	const struct answers *a = t->d->answers;

	if (!q->prompt || (q->needed && !q->needed(a)))
		return false;
	return !question_is_given(a, q) || t->asked & bit(q);
}

/* A mistyped passphrase of a disk that exists already does not open it, and is asked for once more then. */
static bool is_typed_again(const struct talk *t, const struct question *q)
{
	return q->kind == QUESTION_SECRET && !(t->d->resumed && !strcmp(q->key, "passphrase"));
}

static struct place after(const struct talk *t, struct place at)
{
	const struct question *q = at.id == SCREEN_MACHINE ? questions() : at.question + 1;

	if (at.id == SCREEN_QUESTION && is_typed_again(t, at.question))
		return (struct place){SCREEN_AGAIN, at.question};
	for (; q->key; q++)
		if (is_asked(t, q))
			return (struct place){SCREEN_QUESTION, q};
	return (struct place){at.id == SCREEN_PLAN ? SCREEN_END : SCREEN_PLAN, q};
}

static struct place before(const struct talk *t, struct place at)
{
	const struct question *q = at.question;

	if (at.id == SCREEN_AGAIN)
		return (struct place){SCREEN_QUESTION, q};
	while (q-- > questions())
		if (is_asked(t, q) && q->prompt)
			return (struct place){SCREEN_QUESTION, q};
	return t->machine_given ? at : (struct place){SCREEN_MACHINE, questions()};
}

static enum front_result ask_place(struct talk *t, struct place at)
{
	switch (at.id) {
	case SCREEN_MACHINE:
		return ask_machine(t);
	case SCREEN_QUESTION:
		return ask_question(t, at.question);
	case SCREEN_AGAIN:
		return ask_again(t, at.question);
	case SCREEN_PLAN:
		return ask_plan(t);
	case SCREEN_END:
		break;
	}
	return FRONT_END;
}

static int walk(struct talk *t, struct error *err)
{
	struct place at = {SCREEN_MACHINE, questions()};

	if (t->machine_given)
		at = after(t, at);
	while (at.id != SCREEN_END) {
		enum front_result r = ask_place(t, at);

		if (r == FRONT_END)
			return error_set(err, -ECANCELED, "dialogue", NULL, "left; nothing was written");
		if (at.id == SCREEN_QUESTION)
			t->asked |= bit(at.question);
		if (r == FRONT_BACK)
			at = before(t, at);
		else if (t->problem && at.id == SCREEN_AGAIN)
			at.id = SCREEN_QUESTION;
		else if (!t->problem)
			at = at.id == SCREEN_PLAN ? (struct place){SCREEN_END, NULL} : after(t, at);
	}
	return 0;
}

int dialogue_run(struct dialogue *d, struct error *err)
{
	struct talk t = {.d = d, .machine_given = question_is_given(d->answers, question_find("accept-missing"))};
	int r = walk(&t, err);

	secret_wipe(&t.text);
	secret_wipe(&t.first);
	free(t.problem);
	return r;
}

enum dialogue_rescue dialogue_failure(const struct front *front, const char *step, const struct error *failure,
				      bool can_undo)
{
	const char *const choices[] = {"try this step again", "save the logs to a stick",
				       "close everything and leave; it can be gone on with later",
				       can_undo ? "take the new partitions away again, and leave" : NULL, NULL};
	_cleanup_free_ char *text = xasprintf("The step '%s' failed.\n\n%s: %s.\n%s", step, failure->object, failure->cause,
					      failure->remedy ? failure->remedy : "");
	const struct prompt p = {.title = "Something went wrong", .text = text, .choices = choices, .first = true,
				 .explain = "What was done up to here stays on the disk and is noted there: the installation "
					    "can be gone on with, now or after a restart. A shell (! or F2) helps to look "
					    "around; nothing is taken down meanwhile."};
	_cleanup_secret_ struct secret line = {0};
	size_t choice = 0;

	if (ask(front, &p, &line, &choice) != FRONT_ANSWER)
		return RESCUE_LEAVE;
	return (enum dialogue_rescue)choice;
}

bool dialogue_passphrase(const struct front *front, struct answers *answers)
{
	const struct question *q = question_find("passphrase");
	_cleanup_free_ char *problem = NULL;
	struct prompt p = {.title = q->title, .text = "This did not open the disk. Passphrase of the disk:",
			   .explain = q->explain, .secret = true};
	_cleanup_secret_ struct secret text = {0};
	size_t choice;

	while (ask(front, &p, &text, &choice) == FRONT_ANSWER) {
		free(problem);
		p.problem = problem = give(answers, q, text.p);
		if (!problem)
			return true;
	}
	return false;
}

bool dialogue_resume(const struct front *front, const char *disk, const char *done)
{
	static const char *const choices[] = {"go on with it", "start anew", NULL};
	_cleanup_free_ char *text = xasprintf("On %s an installation was begun and not finished. Its last finished step: %s.",
					      disk, done);
	const struct prompt p = {.title = "An unfinished installation", .text = text, .choices = choices, .first = true,
				 .explain = "Going on keeps what was copied. The passphrase is asked for once more, because "
					    "it is stored nowhere."};
	_cleanup_secret_ struct secret line = {0};
	size_t choice = 0;

	return ask(front, &p, &line, &choice) == FRONT_ANSWER && choice == 0;
}
