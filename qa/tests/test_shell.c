/* What a command is cut into gives the same command in a real shell, and no line is too long for the console. */
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/process.h"
#include "common/tests/test.h"
#include "qa/shell.h"

/* What sh prints for the lines of this command. */
static void run_pieces(const char *command, struct strbuf *out)
{
	_cleanup_strbuf_ struct strbuf script = {0};
	unsigned piece = 0;

	do {
		size_t from = script.n;

		command = shell_piece(command, 7, ++piece, &script);
		CHECK(script.n - from <= SHELL_LINE_MAX);
		CHECK(memchr(script.p + from, '\n', script.n - from) == script.p + script.n - 1);
	} while (*command);
	shell_go(7, &script);
	const char *argv[] = {"sh", "-c", script.p, NULL};

	CHECK_INT(process_capture(argv, 1 << 16, out), 0);
}

TEST(short_command)
{
	_cleanup_strbuf_ struct strbuf out = {0};

	run_pieces("echo \"it's\" 'a' \\$x", &out);
	CHECK_STR(out.p, "BH-PIECE-7-1\nBH-BEGIN-7\nit's a $x\nBH-END-7 0\n");
}

TEST(exit_code)
{
	_cleanup_strbuf_ struct strbuf out = {0};

	run_pieces("sh -c 'cat; exit 42'", &out);
	CHECK_STR(out.p, "BH-PIECE-7-1\nBH-BEGIN-7\nBH-END-7 42\n");
}

TEST(long_command)
{
	_cleanup_strbuf_ struct strbuf command = {0}, out = {0};

	strbuf_add_str(&command, "printf %s \"");
	for (int i = 0; i < 200; i++)
		strbuf_add_str(&command, i % 3 ? "'" : "xy");
	strbuf_add_str(&command, "\" | wc -c");
	run_pieces(command.p, &out);
	CHECK(strstr(out.p, "BH-PIECE-7-2\n") != NULL);
	CHECK(strstr(out.p, "BH-BEGIN-7\n267\nBH-END-7 0\n") != NULL);
}
