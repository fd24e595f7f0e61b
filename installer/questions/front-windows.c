#include <newt.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "installer/questions/front.h"

enum { WIDTH = 70, TEXT_MAX = 12, LIST_MAX = 8, ENTRY = 60 };

struct window {
	newtComponent form, list, entry, ok, back, help, shell;
};

static void keys_line(const struct prompt *p)
{
	newtPopHelpLine();
	newtPushHelpLine(p->first ? " Tab: next   Enter: choose   F1: explain   F2: shell"
				  : " Tab: next   Enter: choose   F1: explain   F2: shell   F12: back");
}

/* The text, and above it why the last answer was not taken. Returns the rows used. */
static int add_text(newtComponent form, const struct prompt *p)
{
	int row = 0, n;
	newtComponent box;

	if (p->problem) {
		box = newtTextbox(1, row, WIDTH - 2, 2, NEWT_FLAG_WRAP);
		newtTextboxSetText(box, p->problem);
		newtFormAddComponent(form, box);
		row += 3;
	}
	box = newtTextbox(1, row, WIDTH - 2, TEXT_MAX, NEWT_FLAG_WRAP);
	newtTextboxSetText(box, p->text);
	n = newtTextboxGetNumLines(box);
	if (n > TEXT_MAX) {
		newtComponentDestroy(box);
		box = newtTextbox(1, row, WIDTH - 4, TEXT_MAX, NEWT_FLAG_WRAP | NEWT_FLAG_SCROLL);
		newtTextboxSetText(box, p->text);
		n = TEXT_MAX;
	} else {
		newtTextboxSetHeight(box, n);
	}
	newtFormAddComponent(form, box);
	return row + n + 1;
}

static int add_input(struct window *w, const struct prompt *p, int row)
{
	int n = 0;

	if (!p->choices) {
		w->entry = newtEntry(4, row, p->secret || !p->standard ? "" : p->standard, ENTRY, NULL,
				     NEWT_FLAG_SCROLL | NEWT_FLAG_RETURNEXIT | (p->secret ? NEWT_FLAG_PASSWORD : 0));
		newtFormAddComponent(w->form, w->entry);
		return row + 2;
	}
	while (p->choices[n])
		n++;
	w->list = newtListbox(3, row, n < LIST_MAX ? n : LIST_MAX,
			      NEWT_FLAG_RETURNEXIT | (n > LIST_MAX ? NEWT_FLAG_SCROLL : 0));
	for (int i = 0; i < n; i++)
		newtListboxAppendEntry(w->list, p->choices[i], (void *)(uintptr_t)(i + 1));
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
	int row;

	*w = (struct window){.form = newtForm(NULL, NULL, 0)};
	newtFormAddHotKey(w->form, NEWT_KEY_F1);
	newtFormAddHotKey(w->form, NEWT_KEY_F2);
	row = add_text(w->form, p);
	row = add_input(w, p, row);
	add_buttons(w, p, row);
	newtCenteredWindow(WIDTH, row + 1, p->title);
	newtFormSetCurrent(w->form, w->list ? w->list : w->entry);
	keys_line(p);
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

static enum front_result windows_ask(const struct prompt *p, struct secret *text, size_t *choice)
{
	enum front_result r = FRONT_END;
	struct window w;
	bool done = false;

	open_window(&w, p);
	while (!done) {
		struct newtExitStruct e;

		newtFormRun(w.form, &e);
		done = true;
		if (e.reason == NEWT_EXIT_ERROR)
			r = FRONT_END;
		else if ((e.reason == NEWT_EXIT_HOTKEY && e.u.key == NEWT_KEY_F1) ||
			 (e.reason == NEWT_EXIT_COMPONENT && e.u.co == w.help)) {
			explain(p);
			done = false;
		} else if ((e.reason == NEWT_EXIT_HOTKEY && e.u.key == NEWT_KEY_F2) ||
			   (e.reason == NEWT_EXIT_COMPONENT && e.u.co == w.shell))
			r = FRONT_SHELL;
		else if ((e.reason == NEWT_EXIT_HOTKEY && e.u.key == NEWT_KEY_F12) ||
			 (e.reason == NEWT_EXIT_COMPONENT && w.back && e.u.co == w.back)) {
			r = FRONT_BACK;
			done = !p->first;
		} else if ((done = take(&w, p, text, choice)))
			r = FRONT_ANSWER;
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
