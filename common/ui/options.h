/*
 * Command lines: one table per command, from which the parser and --help come. Long options, their one-letter forms
 * and operands in any order; "--" ends the options. A negative number is an operand where no option has its digit.
 */
#pragma once

#include <stdbool.h>

#include "common/base/strv.h"

enum option_kind {
	OPTION_FLAG,   /* bool * */
	OPTION_STRING, /* const char ** : the last one given wins */
	OPTION_LIST,   /* struct strv * : may be repeated */
	OPTION_WORDS,  /* struct strv * : the same, and each may have several words, up to the next option or -- */
	OPTION_NUMBER, /* long * : decimal, 0 or more */
	OPTION_VERSION, /* const char ** : is printed behind the program's name, and nothing else done */
	OPTION_MAYBE,  /* const char ** : the next word unless it is an option or --; then, and without one, "" */
};

struct option_def {
	const char *name;     /* "mirror"; NULL ends the table */
	char letter;	      /* 'm', or 0 */
	enum option_kind kind;
	void *value;
	const char *argument; /* "URI", shown in the help; NULL for a flag */
	const char *help;     /* one line; NULL: accepted but not shown (an alias) */
};

struct command_line {
	const char *program;  /* "bulkhead build" */
	const char *operands; /* "IMAGE [FILE]..." as the usage line shows them, or "" */
	const char *summary;  /* one sentence */
	const char *notes;    /* further lines of the help, or NULL */
	const struct option_def *options;
	bool stop_at_operand; /* everything after the first operand is an operand (qvm-run VM cmd -x) */
};

enum options_result {
	OPTIONS_OK = 0,
	OPTIONS_HELP = 1,  /* --help, or the version, was printed to stdout: exit 0 */
	OPTIONS_WRONG = 2, /* one line was printed to stderr: exit 2 */
};

/* argv[0] is skipped; operands are appended to *operands. */
enum options_result options_parse(const struct command_line *cmd, int argc, char *const *argv, struct strv *operands);
void options_help(const struct command_line *cmd);
/* Says `program: message; see 'program --help'` on stderr and returns 2, for main() to return. */
int options_wrong(const struct command_line *cmd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
