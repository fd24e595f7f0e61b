/*
 * All there is to decide, one row a question. From this table come the answer file's keys and their checks, the two
 * dialogues, the replayable answer file and docs/unattended.md; nothing about a question stands anywhere else.
 */
#pragma once

#include "installer/answers.h"
#include "installer/plan.h"

enum question_kind {
	QUESTION_TEXT,
	QUESTION_SECRET,
	QUESTION_YESNO,
	QUESTION_WORD,	/* one of `words` */
	QUESTION_WORDS, /* a list of them */
	QUESTION_NUMBER,
};

struct question {
	const char *key; /* of the answer file; "user.name" is `name` in the map `user` */
	enum question_kind kind;
	const char *title;   /* a few words; NULL: the dialogue never asks */
	const char *prompt;  /* what it asks */
	const char *value;   /* what may be answered, for the documentation */
	const char *explain; /* why it is asked and what follows; `?` in the dialogue, and the documentation */
	const char *help;    /* instead of that in the dialogue, where other words fit; or NULL */
	const char *const *words;	/* as the file has them */
	const char *const *word_texts;	/* as the dialogue shows them, or NULL */
	const char *standard;		/* proposed by the dialogue, or NULL */
	uint64_t minimum, maximum;	/* of a number */
	/*
	 * Checks and keeps an answer; a list comes word by word, an empty one as "". Returns 0 or an errno, with the reason allocated in
	 * *why. A secret's text is copied, never kept.
	 */
	int (*set)(struct answers *a, const char *text, char **why);
	/* The answer as text in *out; false: there is none to show. NULL for secrets. */
	bool (*get)(const struct answers *a, struct strbuf *out);
	/* Needed under these other answers? NULL: never needed. */
	bool (*needed)(const struct answers *a);
	bool optional; /* asked when needed, but a file may do without it */
};

enum { QUESTIONS_MAX = 32 };

/* The table; ends with a row without a key. */
const struct question *questions(void);
/* NULL when there is none with this key. */
const struct question *question_find(const char *key);
bool question_is_given(const struct answers *a, const struct question *q);
/* set() with the checks of the kind before it, and the bit in `given`. Errors as set(). */
int question_answer(struct answers *a, const struct question *q, const char *text, char **why);
/* An empty list, which is an answer, too. */
void question_answer_none(struct answers *a, const struct question *q);
/* Counts as answered although nothing is kept: what it is for was done already. */
void question_waive(struct answers *a, const struct question *q);
void question_forget(struct answers *a, const struct question *q);
/* docs/unattended.md */
void questions_document(struct strbuf *out);
