/* qubes-fs-tree-check PATH...: can this be copied, and how much is it? */
#include <inttypes.h>
#include <stdio.h>

#include "common/ui/options.h"
#include "runtime/filecopy/tree.h"

static struct tree_check tree;
static bool machine;

static const struct option_def options[] = {
	{"allow-symlinks", 0, OPTION_FLAG, &tree.allow_symlinks, NULL, "links may be among it"},
	{"allow-directories", 0, OPTION_FLAG, &tree.allow_directories, NULL, "folders may be among it"},
	{"ignore-symlinks", 0, OPTION_FLAG, &tree.ignore_symlinks, NULL, "links will be left out"},
	{"machine", 0, OPTION_FLAG, &machine, NULL, "print the bytes alone"},
	{0},
};

static const struct command_line usage = {
	.program = "qubes-fs-tree-check",
	.operands = "PATH...",
	.summary = "Check whether files can be copied to another qube, and print how many bytes they have.",
	.notes = "Exit codes: 0 yes, 1 no, 2 only with qubes.Filecopy+allow-all-names.",
	.options = options,
};

int main(int argc, char **argv)
{
	_cleanup_strv_ struct strv paths = {0};
	_cleanup_error_ struct error err = {0};
	enum options_result parsed = options_parse(&usage, argc, argv, &paths);

	if (parsed)
		return parsed != OPTIONS_HELP;
	if (!paths.n) {
		options_wrong(&usage, "a path is needed");
		return 1;
	}
	for (size_t i = 0; i < paths.n; i++) {
		if (tree_check_path(&tree, paths.v[i], &err) < 0) {
			error_print(usage.program, &err);
			return 1;
		}
	}
	printf(machine ? "%" PRIu64 "\n" : "%" PRIu64 " bytes\n", tree.bytes);
	return tree.needs_all_names ? 2 : 0;
}
