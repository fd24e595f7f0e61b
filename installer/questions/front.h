/*
 * A front end shows one prompt at a time and brings one answer. Two of them: plain numbered lines (serial lines,
 * braille displays, TERM=dumb) and full-screen windows (newt). What is asked, and in which order, is decided by the
 * dialogue; a front end knows nothing about installing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "installer/secret.h"

enum front_result {
	FRONT_ANSWER,
	FRONT_BACK,
	FRONT_SHELL, /* the person wants a shell; the dialogue starts it and asks again */
	FRONT_END,   /* the terminal is gone, or the person wants to leave */
};

struct prompt {
	const char *title;   /* a few words */
	const char *text;    /* may be long: scrolled in windows */
	const char *explain; /* for `?` and F1 */
	const char *problem; /* why the last answer was not taken, or NULL */
	const char *const *choices; /* NULL: a line of text is asked for */
	const char *standard;	    /* proposed text, or NULL */
	size_t chosen;		    /* proposed choice */
	bool secret;		    /* not shown while it is typed */
	bool first;		    /* there is nothing to go back to */
};

struct front {
	/*
	 * The answer is kept in *text (secret memory whatever it is), or its index in *choice. Both are the front's to
	 * change also when the result is not FRONT_ANSWER.
	 */
	enum front_result (*ask)(const struct prompt *p, struct secret *text, size_t *choice);
	void (*pause)(void);  /* hands the terminal to somebody else */
	void (*resume)(void); /* takes it back */
	void (*close)(void);
};

/* Opens on the terminal that is stdin and stdout. */
const struct front *front_plain(void);
/* NULL when the terminal is no good for windows: too small, or it cannot move its cursor. */
const struct front *front_windows(void);
