/*
 * qvm-copy, qvm-move, qvm-copy-to-vm, qvm-move-to-vm: one program that checks, sends and removes. Only the call itself is a process
 * of its own. In a qube dom0 asks for the target if none is named; dom0's own form (call_dom0.c) has one named always.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "common/ui/options.h"
#include "runtime/filecopy/call.h"
#include "runtime/filecopy/send.h"
#include "runtime/filecopy/tree.h"
#include "runtime/qrexec/protocol.h"

static bool with_progress, without_progress, ignore_symlinks, no_ignore_symlinks;

static const struct option_def options[] = {
	{"with-progress", 0, OPTION_FLAG, &with_progress, NULL, "show how far it is (the default on a terminal)"},
	{"without-progress", 0, OPTION_FLAG, &without_progress, NULL, "do not"},
	{"ignore-symlinks", 0, OPTION_FLAG, &ignore_symlinks, NULL, "leave links out"},
	{"no-ignore-symlinks", 0, OPTION_FLAG, &no_ignore_symlinks, NULL, "copy links (the default)"},
	{0},
};

static struct command_line usage = {
	.program = "qvm-copy",
	.operands = "FILE...",
	.summary = "Copy files to another qube, which dom0 asks for.",
	.notes = "Exit codes: 0 the target has confirmed everything, 2 wrong use, others: not all was copied.",
	.options = options,
};

static int copy(const char *target, const struct strv *files, size_t first, const struct tree_check *tree, bool move,
		struct error *err)
{
	bool show = with_progress || (!without_progress && isatty(STDERR_FILENO));
	struct progress progress;
	int in = -1, out = -1, r = 0, code;
	struct send s;
	pid_t pid = call_start(target, tree->needs_all_names ? "qubes.Filecopy+allow-all-names" : "qubes.Filecopy", &in, &out);

	if (pid < 0)
		return error_errno(err, pid, target, "cannot call");
	progress_start(&progress, show ? PROGRESS_CONSOLE : PROGRESS_NONE, tree->bytes);
	send_init(&s, in, out, err);
	s.ignore_symlinks = ignore_symlinks && !no_ignore_symlinks;
	s.progress = &progress;
	for (size_t i = first; i < files->n && !r; i++)
		r = send_path(&s, files->v[i]);
	r = send_finish(&s, r);
	send_free(&s);
	close(out);
	close(in);
	code = process_wait(pid);
	/* That nobody took the files says less than why. */
	if (code == QREXEC_EXIT_REFUSED)
		return error_set(err, -EACCES, target,
				 "the policy or the person who was asked said no, or the qube did not start; dom0's journal has the reason",
				 "the copy was refused");
	if (!r && code)
		return error_set(err, -EREMOTEIO, target, NULL, "the call ended with code %d", code);
	/* What was left out must not be lost by a move. */
	if (!r && s.skipped)
		return error_set(err, -EINVAL, "sockets, pipes or devices", NULL, "were left out");
	if (!r && move && s.ignored_links)
		return error_set(err, -EINVAL, "links", "remove by hand what is not needed here",
				 "were left out, so nothing is removed");
	return r;
}

static int remove_sources(const struct strv *files, size_t first, struct error *err)
{
	for (size_t i = first; i < files->n; i++) {
		_cleanup_free_ char *path = xstrdup(files->v[i]);

		for (size_t n = strlen(path); n > 1 && path[n - 1] == '/';)
			path[--n] = '\0';
		int r = remove_tree(AT_FDCWD, path);
		if (r < 0)
			return error_errno(err, r, path, "was copied, but cannot be removed");
	}
	return 0;
}

static int fail(const struct error *err)
{
	error_print(usage.program, err);
	return 1;
}

int main(int argc, char **argv)
{
	_cleanup_strv_ struct strv files = {0};
	_cleanup_error_ struct error err = {0};
	const char *slash = strrchr(argv[0], '/');
	bool to_vm, move;

	usage.program = slash ? slash + 1 : argv[0];
	to_vm = call_needs_target || strstr(usage.program, "-to-vm");
	move = strstr(usage.program, "move");
	if (to_vm) {
		usage.operands = "VM FILE...";
		usage.summary = "Copy files to the qube VM.";
	}

	enum options_result parsed = options_parse(&usage, argc, argv, &files);
	if (parsed)
		return parsed == OPTIONS_HELP ? 0 : 2;
	if (files.n < (to_vm ? 2 : 1))
		return options_wrong(&usage, "%s", to_vm ? "a qube and a file are needed" : "a file is needed");

	struct tree_check tree = {.ignore_symlinks = ignore_symlinks && !no_ignore_symlinks,
				  .allow_symlinks = true, .allow_directories = true};
	for (size_t i = to_vm; i < files.n; i++)
		if (tree_check_path(&tree, files.v[i], &err) < 0)
			return fail(&err);
	signal(SIGPIPE, SIG_IGN);
	if (copy(to_vm ? files.v[0] : "@default", &files, to_vm, &tree, move, &err) < 0)
		return fail(&err);
	return move && remove_sources(&files, to_vm, &err) < 0 ? fail(&err) : 0;
}
