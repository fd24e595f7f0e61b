/* bulkhead: from distribution packages to images. Only picks the subcommand. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "builder/commands.h"

static const struct {
	const char *name, *summary;
	command_fn *run;
} commands[] = {
	{"build", "build an image from its lock", cmd_build},
	{"diff", "say what differs between two builds", cmd_diff},
	{"gc", "remove old results from the store", cmd_gc},
	{"key", "make a key pair for signing", cmd_key},
	{"lock", "resolve an image's packages and write its lock", cmd_lock},
	{"shell", "run a shell in a throw-away copy of an image", cmd_shell},
	{"sign", "sign a list of digests", cmd_sign},
	{"verify", "compare an image or a stick with what promises it", cmd_verify},
	{"why", "say what put a path into an image", cmd_why},
	{"write", "write an image to a stick", cmd_write},
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void help(FILE *to)
{
	fputs("Usage: bulkhead COMMAND [OPTIONS]\n\nCommands:\n", to);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].summary);
	fputs("\n'bulkhead COMMAND --help' shows its options.\n"
	      "Exit codes: 0 done, 1 failed (one line on stderr says what), 2 wrong usage; diff: 3 they differ;\n"
	      "shell: the program's.\n",
	      to);
}

int main(int argc, char **argv)
{
	/* Every file the builder makes has its mode from the builder, not from who called it. */
	umask(022);
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		help(stderr);
		return EXIT_CODE_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		help(stdout);
		return EXIT_CODE_OK;
	}
	for (size_t i = 0; i < COMMANDS; i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "bulkhead: unknown command '%s'; see 'bulkhead --help'\n", argv[1]);
	return EXIT_CODE_USAGE;
}
