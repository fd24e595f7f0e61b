#include "installer/questions/questions.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/alloc.h"

static uint64_t question_bit(const struct question *q)
{
	return 1ULL << (q - questions());
}

const struct question *question_find(const char *key)
{
	for (const struct question *q = questions(); q->key; q++)
		if (!strcmp(q->key, key))
			return q;
	return NULL;
}

bool question_is_given(const struct answers *a, const struct question *q)
{
	/* Three rows, one choice. */
	if (!strncmp(q->key, "disk.", 5))
		return a->disk != DISK_UNSET;
	return a->given & question_bit(q);
}

/* Names of disks and people; whatever else is in there could match nothing. */
static int check_printable(const char *text, char **why)
{
	for (const char *c = text; *c; c++)
		if (*c < ' ' || *c > '~') {
			*why = xstrdup("has characters other than printable ASCII");
			return EINVAL;
		}
	return 0;
}

/* Any letters of any language, but nothing that ends or edits the line at a prompt. */
static int check_typable(const char *text, char **why)
{
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == '\x7f') {
			*why = xstrdup("has a control character, which can be typed at no prompt");
			return EINVAL;
		}
	return 0;
}

static int check_words(const struct question *q, const char *text, char **why)
{
	_cleanup_strbuf_ struct strbuf list = {0};

	/* Without a list of its own: what only the medium knows. */
	if (!q->words)
		return check_printable(text, why);
	for (const char *const *w = q->words; *w; w++) {
		if (!strcmp(*w, text))
			return 0;
		strbuf_printf(&list, "%s%s", w == q->words ? "" : w[1] ? ", " : " or ", *w);
	}
	*why = xasprintf("must be %s", list.p);
	return EINVAL;
}

static int check_kind(const struct question *q, const char *text, char **why)
{
	uint64_t value;

	switch (q->kind) {
	case QUESTION_WORD:
	case QUESTION_WORDS:
		return check_words(q, text, why);
	case QUESTION_YESNO:
		if (!strcmp(text, "yes") || !strcmp(text, "no"))
			return 0;
		*why = xstrdup("must be yes or no");
		return EINVAL;
	case QUESTION_NUMBER:
		if (blob_to_u64(blob_of(text), q->maximum, &value) && value >= q->minimum)
			return 0;
		*why = xasprintf("must be a number from %" PRIu64 " to %" PRIu64, q->minimum, q->maximum);
		return EINVAL;
	case QUESTION_TEXT:
		return check_printable(text, why);
	case QUESTION_SECRET:
		return check_typable(text, why);
	}
	return 0;
}

int question_answer(struct answers *a, const struct question *q, const char *text, char **why)
{
	int r;

	*why = NULL;
	r = check_kind(q, text, why);
	if (r == 0)
		r = q->set(a, text, why);
	if (r == 0)
		a->given |= question_bit(q);
	return r;
}

void question_answer_none(struct answers *a, const struct question *q)
{
	char *why;

	q->set(a, "", &why);
	a->given |= question_bit(q);
}

void question_waive(struct answers *a, const struct question *q)
{
	a->given |= question_bit(q);
}

void question_forget(struct answers *a, const struct question *q)
{
	a->given &= ~question_bit(q);
	if (!strncmp(q->key, "disk.", 5))
		a->disk = DISK_UNSET;
	if (!strcmp(q->key, "erase"))
		a->erase = NULL;
	if (!strcmp(q->key, "accept-missing"))
		a->accept_missing = NULL;
	if (!strcmp(q->key, "recovery"))
		a->recovery = false;
	if (!strcmp(q->key, "no-encryption"))
		a->plain = false;
}
