#include <limits.h>
#include <newt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/strbuf.h"
#include "installer/questions/front.h"
#include "installer/questions/lines.h"

/* Of the 24 rows of a terminal, what root text, help line, frame and shadow leave. */
enum { WIDTH = 74, TEXT_WIDTH = WIDTH - 2, ROWS = 19, LIST_MAX = 8, ENTRY = 64 };

struct window {
	newtComponent form, text, place, list, entry, ok, back, help, shell;
	struct blob words;
	size_t lines, rows, top; /* of the text: all, those seen at once, the first of them */
	bool proposed; /* the entry holds what was proposed, and no key has touched it yet */
};

static void keys_line(const struct prompt *p, bool pages)
{
	char keys[81];

	snprintf(keys, sizeof(keys), " Tab: next  Enter: choose  F1: explain  F2: shell%s%s",
		 p->first ? "" : "  F12: back", pages ? "  PgDn, PgUp: text" : "");
	newtPopHelpLine();
	newtPushHelpLine(keys);
}

/* The window's part of the text into its box; the copy made for it does not stay, as it may show a recovery key. */
static void show_text(struct window *w)
{
	struct lines lines = {.rest = w->words, .width = TEXT_WIDTH};
	_cleanup_strbuf_ struct strbuf shown = {0};
	struct line line;
	char place[64];

	for (size_t i = 0; i < w->top + w->rows && lines_next(&lines, &line); i++)
		if (i >= w->top)
			strbuf_printf(&shown, "%*s%.*s\n", (int)line.indent, "", BLOB_ARG(line.text));
	newtTextboxSetText(w->text, shown.n ? shown.p : "");
	if (shown.n)
		explicit_bzero(shown.p, shown.n);
	if (!w->place)
		return;
	snprintf(place, sizeof(place), "-- lines %zu to %zu of %zu; PgDn: on, PgUp: back --", w->top + 1,
		 w->top + w->rows < w->lines ? w->top + w->rows : w->lines, w->lines);
	newtLabelSetText(w->place, place);
}

static void turn_page(struct window *w, bool on)
{
	size_t step = w->rows - 1, last = w->lines > w->rows ? w->lines - w->rows : 0;

	if (on)
		w->top = w->top + step < last ? w->top + step : last;
	else
		w->top = w->top > step ? w->top - step : 0;
	show_text(w);
}

/* Returns the rows used. */
static int add_problem(newtComponent form, const char *problem)
{
	struct lines lines = {.rest = blob_of(problem), .width = TEXT_WIDTH};
	int rows = (int)lines_count(lines);
	newtComponent box = newtTextbox(1, 0, TEXT_WIDTH, rows, NEWT_FLAG_WRAP);

	newtTextboxSetText(box, problem);
	newtFormAddComponent(form, box);
	return rows + 1;
}

/* The text, as much of it as fits into `room` rows, and where one is in it. Returns the rows used. */
static int add_text(struct window *w, const char *text, int row, size_t room)
{
	struct lines lines = {.rest = blob_of(text), .width = TEXT_WIDTH};

	w->words = lines.rest;
	w->lines = lines_count(lines);
	w->rows = w->lines > room ? room - 1 : w->lines;
	w->text = newtTextbox(1, row, TEXT_WIDTH, (int)w->rows, 0);
	newtFormAddComponent(w->form, w->text);
	row += (int)w->rows;
	if (w->lines > w->rows) {
		w->place = newtLabel(12, row++, "");
		newtFormAddComponent(w->form, w->place);
	}
	show_text(w);
	return row + 1;
}

static int input_rows(const struct prompt *p)
{
	int n = 0;

	while (p->choices && p->choices[n] && n < LIST_MAX)
		n++;
	return n ? n : 1;
}

static int longest(const struct prompt *p)
{
	size_t most = 0;

	for (size_t i = 0; p->choices[i]; i++)
		if (strlen(p->choices[i]) > most)
			most = strlen(p->choices[i]);
	return most < INT_MAX ? (int)most : INT_MAX;
}

/* What is typed takes the place of what was proposed; after any other key that is corrected instead. */
static int first_key(newtComponent entry, void *data, int key, int cursor)
{
	struct window *w = data;
	bool typed = key >= ' ' && key < NEWT_KEY_EXTRA_BASE && key != 0x7f;

	(void)cursor;
	if (w->proposed && typed)
		newtEntrySet(entry, "", 0);
	w->proposed = false;
	return key;
}

static int add_input(struct window *w, const struct prompt *p, int row)
{
	int n = 0;

	if (!p->choices) {
		w->entry = newtEntry(4, row, p->secret || !p->standard ? "" : p->standard, ENTRY, NULL,
				     NEWT_FLAG_SCROLL | NEWT_FLAG_RETURNEXIT | (p->secret ? NEWT_FLAG_PASSWORD : 0));
		w->proposed = !p->secret && p->standard;
		newtEntrySetFilter(w->entry, first_key, w);
		newtFormAddComponent(w->form, w->entry);
		return row + 2;
	}
	while (p->choices[n])
		n++;
	w->list = newtListbox(3, row, n < LIST_MAX ? n : LIST_MAX,
			      NEWT_FLAG_RETURNEXIT | (n > LIST_MAX ? NEWT_FLAG_SCROLL : 0));
	for (int i = 0; i < n; i++)
		newtListboxAppendEntry(w->list, p->choices[i], (void *)(uintptr_t)(i + 1));
	if (longest(p) > WIDTH - 8)
		newtListboxSetWidth(w->list, WIDTH - 8);
	newtListboxSetCurrent(w->list, (int)p->chosen);
	newtFormAddComponent(w->form, w->list);
	return row + (n < LIST_MAX ? n : LIST_MAX) + 1;
}

static void add_buttons(struct window *w, const struct prompt *p, int row)
{
	w->ok = newtCompactButton(6, row, "OK");
	w->back = p->first ? NULL : newtCompactButton(20, row, "Back");
	w->help = newtCompactButton(36, row, "Explain");
	w->shell = newtCompactButton(54, row, "Shell");
	newtFormAddComponents(w->form, w->ok, w->help, w->shell, NULL);
	if (w->back)
		newtFormAddComponent(w->form, w->back);
}

static void open_window(struct window *w, const struct prompt *p)
{
	int row = 0;

	*w = (struct window){.form = newtForm(NULL, NULL, 0)};
	newtFormAddHotKey(w->form, NEWT_KEY_F1);
	newtFormAddHotKey(w->form, NEWT_KEY_F2);
	newtFormAddHotKey(w->form, NEWT_KEY_PGUP);
	newtFormAddHotKey(w->form, NEWT_KEY_PGDN);
	if (p->problem)
		row = add_problem(w->form, p->problem);
	row = add_text(w, p->text, row, (size_t)(ROWS - row - input_rows(p) - 3));
	row = add_input(w, p, row);
	add_buttons(w, p, row);
	newtCenteredWindow(WIDTH, row + 1, p->title);
	newtFormSetCurrent(w->form, w->list ? w->list : w->entry);
	keys_line(p, w->place != NULL);
}

static bool take(const struct window *w, const struct prompt *p, struct secret *text, size_t *choice)
{
	if (p->choices) {
		*choice = (size_t)(uintptr_t)newtListboxGetCurrent(w->list) - 1;
		return true;
	}
	return secret_set(text, newtEntryGetValue(w->entry)) == 0;
}

static void explain(const struct prompt *p)
{
	newtWinMessage((char[]){"Why this is asked"}, (char[]){"OK"}, (char *)(uintptr_t)"%s", p->explain);
}

static bool is_chosen(const struct newtExitStruct *e, int key, newtComponent button)
{
	return (e->reason == NEWT_EXIT_HOTKEY && e->u.key == key) ||
	       (e->reason == NEWT_EXIT_COMPONENT && button && e->u.co == button);
}

/* True with *r when the prompt is left without an answer; FRONT_ANSWER in it: there is one. */
static bool react(struct window *w, const struct prompt *p, const struct newtExitStruct *e, enum front_result *r)
{
	*r = FRONT_END;
	if (e->reason == NEWT_EXIT_ERROR)
		return true;
	if (is_chosen(e, NEWT_KEY_F1, w->help)) {
		explain(p);
	} else if (is_chosen(e, NEWT_KEY_PGDN, NULL) || is_chosen(e, NEWT_KEY_PGUP, NULL)) {
		turn_page(w, e->u.key == NEWT_KEY_PGDN);
	} else if (is_chosen(e, NEWT_KEY_F2, w->shell)) {
		*r = FRONT_SHELL;
		return true;
	} else if (is_chosen(e, NEWT_KEY_F12, w->back)) {
		*r = FRONT_BACK;
		return !p->first;
	} else {
		*r = FRONT_ANSWER;
	}
	return false;
}

static enum front_result windows_ask(const struct prompt *p, struct secret *text, size_t *choice)
{
	enum front_result r = FRONT_END;
	struct window w;
	bool done = false;

	open_window(&w, p);
	while (!done) {
		struct newtExitStruct e;

		newtFormRun(w.form, &e);
		done = react(&w, p, &e, &r) || (r == FRONT_ANSWER && take(&w, p, text, choice));
	}
	newtFormDestroy(w.form);
	newtPopWindow();
	return r;
}

static void windows_pause(void)
{
	newtSuspend();
}

static void windows_resume(void)
{
	newtResume();
}

static void windows_close(void)
{
	newtFinished();
}

const struct front *front_windows(void)
{
	static const struct front front = {windows_ask, windows_pause, windows_resume, windows_close};
	const char *term = getenv("TERM");
	struct winsize size = {0};

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || !term || !*term || !strcmp(term, "dumb") ||
	    !strcmp(term, "unknown") || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || size.ws_col < 80 || size.ws_row < 24)
		return NULL;
	if (newtInit())
		return NULL;
	newtCls();
	newtDrawRootText(1, 0, "Bulkhead " BULKHEAD_VERSION);
	newtPushHelpLine("");
	return &front;
}
