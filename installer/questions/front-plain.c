#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "installer/questions/front.h"
#include "installer/questions/lines.h"

/* Byte by byte and without stdio, which would keep copies of what was typed. */
static enum front_result read_line(struct secret *text, bool *too_long)
{
	size_t n = 0;

	secret_set(text, "");
	*too_long = false;
	for (;;) {
		char c;
		ssize_t got = read(STDIN_FILENO, &c, 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return FRONT_END;
		if (c == '\n' || c == '\r')
			break;
		if (n == SECRET_MAX || !c)
			*too_long = true;
		else
			text->p[n++] = c;
	}
	text->p[n] = '\0';
	text->n = n;
	return FRONT_ANSWER;
}

/* What was typed before is dropped. False: there is no terminal, and nothing was changed. */
static bool hide_typing(struct termios *was)
{
	struct termios now;

	if (tcgetattr(STDIN_FILENO, was) < 0)
		return false;
	now = *was;
	now.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &now);
	return true;
}

static void print_text(const char *text)
{
	struct lines lines = {.rest = blob_of(text), .width = 78};
	struct line line;

	while (lines_next(&lines, &line))
		printf("%*s%.*s\n", (int)line.indent, "", BLOB_ARG(line.text));
}

static void show(const struct prompt *p)
{
	printf("\n--- %s\n", p->title);
	print_text(p->text);
	for (size_t i = 0; p->choices && p->choices[i]; i++)
		printf("  %zu. %s\n", i + 1, p->choices[i]);
}

static void show_keys(const struct prompt *p)
{
	if (p->problem)
		print_text(p->problem);
	printf("(? explains%s, ! opens a shell)", p->first ? "" : ", < goes back");
	if (p->choices)
		printf(" [%zu]> ", p->chosen + 1);
	else if (p->standard)
		printf(" [%s]> ", p->standard);
	else
		printf("> ");
	fflush(stdout);
}

static bool take_choice(const struct prompt *p, const struct secret *text, size_t *choice)
{
	uint64_t number = 0;
	size_t n = 0;

	while (p->choices[n])
		n++;
	*choice = p->chosen;
	if (!text->n)
		return true;
	if (!blob_to_u64((struct blob){text->p, text->n}, n, &number) || !number) {
		printf("A number from 1 to %zu, please.\n", n);
		return false;
	}
	*choice = (size_t)number - 1;
	return true;
}

static enum front_result plain_ask(const struct prompt *p, struct secret *text, size_t *choice)
{
	bool too_long;

	show(p);
	for (;;) {
		struct termios was;
		/* Before the prompt, for who reads that may type at once: nothing of it is seen, nothing lost. */
		bool hidden = p->secret && hide_typing(&was);
		enum front_result r;

		show_keys(p);
		r = read_line(text, &too_long);
		if (hidden)
			tcsetattr(STDIN_FILENO, TCSANOW, &was);
		if (p->secret)
			putchar('\n');
		if (r != FRONT_ANSWER)
			return r;
		if (too_long) {
			printf("At most %d characters, please.\n", SECRET_MAX);
		} else if (!strcmp(text->p, "?")) {
			print_text(p->explain);
		} else if (!strcmp(text->p, "!")) {
			return FRONT_SHELL;
		} else if (!strcmp(text->p, "<")) {
			if (!p->first)
				return FRONT_BACK;
			printf("This is the first question.\n");
		} else if (p->choices) {
			if (take_choice(p, text, choice))
				return FRONT_ANSWER;
		} else {
			if (!text->n && p->standard)
				secret_set(text, p->standard);
			return FRONT_ANSWER;
		}
	}
}

static void plain_nothing(void)
{
	fflush(stdout);
}

const struct front *front_plain(void)
{
	static const struct front front = {plain_ask, plain_nothing, plain_nothing, plain_nothing};

	return &front;
}
