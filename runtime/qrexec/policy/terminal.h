/*
 * A terminal on which a user is asked. It is used only while a question is open: its modes are set for that and put back afterwards,
 * and what was typed before is thrown away, because it was meant for somebody else.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <termios.h>

struct terminal {
	int fd; /* -1: not open */
	FILE *out;
	struct termios before;
	bool changed; /* `before` is to be put back */
};

enum terminal_answer {
	TERMINAL_LINE, /* one was typed */
	TERMINAL_LATE, /* no time left */
	TERMINAL_GONE, /* who asked does not wait any more */
	TERMINAL_LOST, /* the terminal hung up, or its end was typed */
};

/* Opened without becoming our controlling terminal. 0 or -errno; -EWOULDBLOCK: it is ours, but we are in the background. */
int terminal_open(struct terminal *t, const char *path);
/* Throws away what was typed until now, and sees to it that lines are typed and shown whatever mode a program left behind. */
void terminal_begin(struct terminal *t);
/*
 * One typed line without its end, cut at size - 1. `client` is a descriptor of who waits for it, `deadline` a time of now_ms().
 */
enum terminal_answer terminal_line(struct terminal *t, int client, int64_t deadline, char *line, size_t size);
/* Puts the modes back and closes. */
void terminal_close(struct terminal *t);
/* Shows a line on the terminal of each session of this machine but the one we have ourselves; nobody is waited for. */
void terminal_tell_sessions(const char *line);
