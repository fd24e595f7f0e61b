/* The option table: every form a user may type, and what is refused. */
#include <stdint.h>
#include <string.h>

#include "common/tests/test.h"
#include "common/ui/options.h"

static bool flag, all;
static const char *file, *maybe;
static const char *version = "1.2";
static struct strv mirrors, words;
static long jobs;
static const struct option_def defs[] = {
	{"flag", 'f', OPTION_FLAG, &flag, NULL, "a flag"},
	{"all", 'a', OPTION_FLAG, &all, NULL, "another"},
	{"file", 'o', OPTION_STRING, &file, "FILE", "a file"},
	{"mirror", 0, OPTION_LIST, &mirrors, "URI", "may be repeated"},
	{"maybe", 'm', OPTION_MAYBE, &maybe, "WHAT", "may have a value"},
	{"words", 'w', OPTION_WORDS, &words, "WORD...", "may have several"},
	{"version", 0, OPTION_VERSION, &version, NULL, "the version"},
	{"jobs", 'j', OPTION_NUMBER, &jobs, "N", "a number"},
	{0},
};
static struct command_line cmd = {.program = "prog", .operands = "IMAGE", .summary = "Tests.", .options = defs};

static int parse(struct strv *operands, int argc, const char *const *argv)
{
	flag = all = false;
	file = maybe = NULL;
	jobs = 0;
	strv_free(&mirrors);
	strv_free(&words);
	return (int)options_parse(&cmd, argc, (char *const *)(uintptr_t)argv, operands);
}

#define PARSE(ops, ...)                                                                            \
	parse(ops, (int)(sizeof((const char *[]){"prog", __VA_ARGS__}) / sizeof(char *)),          \
	      (const char *const[]){"prog", __VA_ARGS__, NULL})

TEST(options_forms)
{
	_cleanup_strv_ struct strv ops = {0};

	CHECK_INT(PARSE(&ops, "one", "-fao", "x", "--mirror=a", "--mirror", "b", "-j4", "two", "--", "-f"), 0);
	CHECK(flag && all && jobs == 4);
	CHECK_STR(file, "x");
	CHECK_INT(mirrors.n, 2);
	CHECK_INT(ops.n, 3);
	CHECK_STR(ops.v[2], "-f");
}

TEST(options_with_or_without_a_value)
{
	_cleanup_strv_ struct strv ops = {0};

	CHECK_INT(PARSE(&ops, "--maybe", "x", "one"), 0);
	CHECK_STR(maybe, "x");
	CHECK_INT(PARSE(&ops, "--maybe=y", "two"), 0);
	CHECK_STR(maybe, "y");
	CHECK_INT(PARSE(&ops, "-fm", "z"), 0);
	CHECK_STR(maybe, "z");
	CHECK_INT(ops.n, 2);
	CHECK_INT(PARSE(&ops, "--maybe", "-f", "three"), 0);
	CHECK_STR(maybe, "");
	CHECK(flag);
	CHECK_INT(PARSE(&ops, "--maybe", "--", "four"), 0);
	CHECK_STR(maybe, "");
	CHECK_INT(ops.n, 4);
	CHECK_INT(PARSE(&ops, "-m"), 0);
	CHECK_STR(maybe, "");
}

TEST(options_refusals)
{
	_cleanup_strv_ struct strv ops = {0};

	CHECK_INT(PARSE(&ops, "--nope"), OPTIONS_WRONG);
	CHECK_INT(PARSE(&ops, "-x"), OPTIONS_WRONG);
	CHECK_INT(PARSE(&ops, "--file"), OPTIONS_WRONG);
	CHECK_INT(PARSE(&ops, "--flag=1"), OPTIONS_WRONG);
	CHECK_INT(PARSE(&ops, "-j", "x"), OPTIONS_WRONG);
	CHECK_INT(PARSE(&ops, "--fil", "x"), OPTIONS_WRONG);
}

TEST(options_words)
{
	_cleanup_strv_ struct strv ops = {0};

	CHECK_INT(PARSE(&ops, "one", "--words", "a", "", "b", "-f", "two", "-w", "c"), 0);
	CHECK(flag);
	CHECK_INT(words.n, 4);
	CHECK_STR(words.v[3], "c");
	CHECK_INT(ops.n, 2);
	CHECK_INT(PARSE(&ops, "--words=a", "three", "-wb", "four", "--words", "c", "--", "five"), 0);
	CHECK_INT(words.n, 3);
	CHECK_INT(ops.n, 5);
	CHECK_INT(PARSE(&ops, "--words"), OPTIONS_WRONG);
	strv_free(&words);
}

TEST(options_version)
{
	_cleanup_strv_ struct strv ops = {0};

	CHECK_INT(PARSE(&ops, "one", "--version", "--nope"), OPTIONS_HELP);
	CHECK_INT(PARSE(&ops, "--version=1"), OPTIONS_WRONG);
}

TEST(options_negative_number)
{
	_cleanup_strv_ struct strv ops = {0};

	CHECK_INT(PARSE(&ops, "set", "-1", "-f", "--maybe", "-22"), 0);
	CHECK(flag);
	CHECK_STR(maybe, "-22");
	CHECK_INT(ops.n, 2);
	CHECK_STR(ops.v[1], "-1");
	CHECK_INT(PARSE(&ops, "-1x"), OPTIONS_WRONG);
}

TEST(options_stop_at_operand)
{
	_cleanup_strv_ struct strv ops = {0};

	cmd.stop_at_operand = true;
	CHECK_INT(PARSE(&ops, "-f", "vm", "ls", "-l"), 0);
	cmd.stop_at_operand = false;
	CHECK_INT(ops.n, 3);
	strv_free(&mirrors);
}
