/*
 * qfile-agent FILE...: sends files on stdout and reads the answer from stdin, as the local program of qrexec-client-vm.
 * Also qfile-dom0-agent, which is the same with dom0's name.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/ui/options.h"
#include "runtime/filecopy/send.h"

static bool ignore_symlinks;

static const struct option_def options[] = {
	{"ignore-symlinks", 0, OPTION_FLAG, &ignore_symlinks, NULL, "leave links out"},
	{0},
};

static struct command_line usage = {
	.program = "qfile-agent",
	.operands = "FILE...",
	.summary = "Send files to a receiver that stdin and stdout are connected to.",
	.notes = "Environment: PROGRESS_TYPE=console|gui|none, FILECOPY_TOTAL_BYTES, SAVED_FD_1 (for gui).\n"
		 "Exit codes: 0 the receiver has confirmed everything, 1 not.",
	.options = options,
};

int main(int argc, char **argv)
{
	_cleanup_strv_ struct strv files = {0};
	_cleanup_error_ struct error err = {0};
	struct progress progress;
	struct send s;
	int r = 0;

	if (argc && strstr(argv[0], "dom0"))
		usage.program = "qfile-dom0-agent";

	enum options_result parsed = options_parse(&usage, argc, argv, &files);
	if (parsed)
		return parsed == OPTIONS_HELP ? 0 : 2;
	if (!files.n)
		return options_wrong(&usage, "a file is needed");
	signal(SIGPIPE, SIG_IGN);
	progress_from_environment(&progress);
	send_init(&s, 0, 1, &err);
	s.ignore_symlinks = ignore_symlinks;
	s.progress = &progress;
	for (size_t i = 0; i < files.n && !r; i++)
		r = send_path(&s, files.v[i]);
	r = send_finish(&s, r);
	if (r < 0)
		error_print(usage.program, &err);
	if (s.skipped)
		fprintf(stderr, "%s: %llu sockets, pipes or devices were left out\n", usage.program,
			(unsigned long long)s.skipped);
	send_free(&s);
	return r < 0;
}
