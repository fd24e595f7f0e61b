/* qvm-run-vm VM COMMAND...: runs a command in another qube. The shell there gets it as its first line, its input follows. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/strbuf.h"
#include "common/ui/options.h"

static bool no_gui, dispvm;

static const struct option_def options[] = {
	{"no-gui", 't', OPTION_FLAG, &no_gui, NULL, "do not wait for a graphical session there"},
	{"nogui", 0, OPTION_FLAG, &no_gui, NULL, NULL},
	{"dispvm", 'd', OPTION_FLAG, &dispvm, NULL, "in a disposable qube; VM is left out"},
	{0},
};

static const struct command_line usage = {
	.program = "qvm-run-vm",
	.operands = "VM COMMAND... | --dispvm COMMAND...",
	.summary = "Run a command in another qube, with its input and output here.",
	.notes = "The words of the command are joined by blanks and read by bash.\n"
		 "Exit codes: the command's, 126 the call was refused, 2 wrong use.",
	.options = options,
	.stop_at_operand = true,
};

/* bash is replaced, so that it does not read on in what is meant for the command. */
static char *first_line(char *const *words, size_t n)
{
	_cleanup_strbuf_ struct strbuf command = {0}, s = {0};

	for (size_t i = 0; i < n; i++)
		strbuf_printf(&command, "%s%s", i ? " " : "", words[i]);
	strbuf_add_str(&s, "exec bash -c ");
	strbuf_add_quoted(&s, command.p);
	strbuf_add_str(&s, " || exit 127\n");
	return strbuf_steal(&s);
}

int main(int argc, char **argv)
{
	_cleanup_strv_ struct strv operands = {0};
	const char *client = getenv("QREXEC_CLIENT_VM");
	enum options_result parsed = options_parse(&usage, argc, argv, &operands);
	size_t first = dispvm ? 0 : 1;

	if (parsed)
		return parsed == OPTIONS_HELP ? 0 : 2;
	if (operands.n <= first)
		return options_wrong(&usage, "%s", dispvm ? "a command is needed" : "a qube and a command are needed");
	_cleanup_free_ char *line = first_line(operands.v + first, operands.n - first);
	client = client ? client : "qrexec-client-vm";
	execlp(client, client, "--no-filter-escape-chars-stdout", "--no-filter-escape-chars-stderr", "--prefix-data", line,
	       dispvm ? "@dispvm" : operands.v[0], no_gui ? "qubes.VMShell" : "qubes.VMShell+WaitForSession", (char *)NULL);
	fprintf(stderr, "qvm-run-vm: %s: %s\n", client, strerror(errno));
	return 126;
}
