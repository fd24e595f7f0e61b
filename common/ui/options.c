#include "common/ui/options.h"

#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "common/base/blob.h"
#include "common/base/strbuf.h"

enum { HELP_COLUMN = 28 };

int options_wrong(const struct command_line *cmd, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", cmd->program);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "; see '%s --help'\n", cmd->program);
	return OPTIONS_WRONG;
}

static void print_option(const struct option_def *o)
{
	_cleanup_strbuf_ struct strbuf left = {0};

	if (o->letter)
		strbuf_printf(&left, "  -%c, --%s", o->letter, o->name);
	else
		strbuf_printf(&left, "      --%s", o->name);
	if (o->argument)
		strbuf_printf(&left, o->kind == OPTION_MAYBE ? " [%s]" : "=%s", o->argument);
	if (left.n + 2 > HELP_COLUMN)
		printf("%s\n%*s%s\n", left.p, HELP_COLUMN, "", o->help);
	else
		printf("%-*s%s\n", HELP_COLUMN, left.p, o->help);
}

void options_help(const struct command_line *cmd)
{
	printf("Usage: %s [OPTIONS]%s%s\n\n%s\n\nOptions:\n", cmd->program, *cmd->operands ? " " : "",
	       cmd->operands, cmd->summary);
	for (const struct option_def *o = cmd->options; o->name; o++)
		if (o->help)
			print_option(o);
	printf("%-*s%s\n", HELP_COLUMN, "  -h, --help", "show this help");
	if (cmd->notes)
		printf("\n%s\n", cmd->notes);
}

static int set_value(const struct command_line *cmd, const struct option_def *o, const char *value)
{
	uint64_t number;

	switch (o->kind) {
	case OPTION_FLAG:
		*(bool *)o->value = true;
		return OPTIONS_OK;
	case OPTION_VERSION:
		printf("%s %s\n", cmd->program, *(const char *const *)o->value);
		return OPTIONS_HELP;
	case OPTION_STRING:
	case OPTION_MAYBE:
		*(const char **)o->value = value;
		return OPTIONS_OK;
	case OPTION_LIST:
	case OPTION_WORDS:
		strv_push(o->value, value);
		return OPTIONS_OK;
	case OPTION_NUMBER:
		if (!blob_to_u64(blob_of(value), LONG_MAX, &number))
			return options_wrong(cmd, "--%s: '%s' is not a number", o->name, value);
		*(long *)o->value = (long)number;
		return OPTIONS_OK;
	}
	abort();
}

struct cursor {
	int i, argc;
	char *const *argv;
};

/* The one that ends the table when there is none. */
static const struct option_def *find_letter(const struct command_line *cmd, char letter)
{
	const struct option_def *o = cmd->options;

	while (o->name && o->letter != letter)
		o++;
	return o;
}

/* Also -1, where no option is of that name. */
static bool is_operand(const struct command_line *cmd, const char *word)
{
	size_t digits = word[0] ? strspn(word + 1, "0123456789") : 0;

	return word[0] != '-' || !word[1] || (digits && !word[1 + digits] && !find_letter(cmd, word[1])->name);
}

static int take_value(const struct command_line *cmd, const struct option_def *o, const char *attached,
		      struct cursor *c)
{
	int r;

	if (o->kind == OPTION_FLAG || o->kind == OPTION_VERSION) {
		if (attached)
			return options_wrong(cmd, "--%s takes no value", o->name);
		return set_value(cmd, o, NULL);
	}
	if (attached)
		return set_value(cmd, o, attached);
	if (o->kind == OPTION_MAYBE && (c->i + 1 >= c->argc || !is_operand(cmd, c->argv[c->i + 1])))
		return set_value(cmd, o, "");
	if (c->i + 1 >= c->argc)
		return options_wrong(cmd, "--%s needs a value%s%s", o->name, o->argument ? ": " : "",
				     o->argument ? o->argument : "");
	r = set_value(cmd, o, c->argv[++c->i]);
	while (o->kind == OPTION_WORDS && c->i + 1 < c->argc && is_operand(cmd, c->argv[c->i + 1]))
		set_value(cmd, o, c->argv[++c->i]);
	return r;
}

static int parse_long(const struct command_line *cmd, const char *text, struct cursor *c)
{
	const char *equals = strchr(text, '=');
	size_t n = equals ? (size_t)(equals - text) : strlen(text);

	if (n == 4 && !strncmp(text, "help", 4)) {
		options_help(cmd);
		return OPTIONS_HELP;
	}
	for (const struct option_def *o = cmd->options; o->name; o++)
		if (strlen(o->name) == n && !strncmp(o->name, text, n))
			return take_value(cmd, o, equals ? equals + 1 : NULL, c);
	return options_wrong(cmd, "unknown option '--%.*s'", (int)n, text);
}

/* -abc is -a -b -c; the first that takes a value has the rest of the word or the next word. */
static int parse_letters(const struct command_line *cmd, const char *text, struct cursor *c)
{
	for (; *text; text++) {
		const struct option_def *o = find_letter(cmd, *text);

		if (!o->name && *text == 'h') {
			options_help(cmd);
			return OPTIONS_HELP;
		}
		if (!o->name)
			return options_wrong(cmd, "unknown option '-%c'", *text);
		if (o->kind != OPTION_FLAG)
			return take_value(cmd, o, text[1] ? text + 1 : NULL, c);
		set_value(cmd, o, NULL);
	}
	return OPTIONS_OK;
}

enum options_result options_parse(const struct command_line *cmd, int argc, char *const *argv, struct strv *operands)
{
	struct cursor c = {.i = 1, .argc = argc, .argv = argv};
	bool only_operands = false;

	for (; c.i < argc; c.i++) {
		const char *word = argv[c.i];
		int r = OPTIONS_OK;

		if (only_operands || is_operand(cmd, word)) {
			strv_push(operands, word);
			only_operands |= cmd->stop_at_operand;
		} else if (!strcmp(word, "--")) {
			only_operands = true;
		} else {
			r = word[1] == '-' ? parse_long(cmd, word + 2, &c) : parse_letters(cmd, word + 1, &c);
		}
		if (r != OPTIONS_OK)
			return (enum options_result)r;
	}
	return OPTIONS_OK;
}
