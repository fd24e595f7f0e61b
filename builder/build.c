/* `bulkhead build`: options in, the graph does the rest. */
#include "builder/commands.h"
#include "common/ui/options.h"

int cmd_build(int argc, char **argv)
{
	const struct command_line cmd = {.program = "bulkhead build", .operands = "IMAGE", .summary = "Builds an image."};
	const struct option_def options[] = {{0}};
	struct command_line line = cmd;
	_cleanup_strv_ struct strv operands = {0};
	enum options_result r;

	line.options = options;
	r = options_parse(&line, argc, argv, &operands);
	if (r != OPTIONS_OK)
		return r == OPTIONS_HELP ? EXIT_CODE_OK : EXIT_CODE_USAGE;
	return options_wrong(&line, "not there yet");
}
