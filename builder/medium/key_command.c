/* bulkhead key, bulkhead sign */
#include <stdio.h>

#include "builder/commands.h"
#include "builder/medium/signify.h"
#include "common/ui/options.h"

static int end(int r, const struct error *err)
{
	if (r == 0)
		return EXIT_CODE_OK;
	error_print("bulkhead", err);
	return EXIT_CODE_FAILED;
}

int cmd_key(int argc, char **argv)
{
	_cleanup_strv_ struct strv operands = {0};
	_cleanup_error_ struct error err = {0};
	const struct option_def options[] = {{0}};
	const struct command_line cmd = {
		.program = "bulkhead key",
		.operands = "NAME",
		.summary = "Make a key pair for signing: NAME.sec and NAME.pub, in the format of signify(1).",
		.notes = "The secret key has no passphrase; keep it where you keep such things.\n"
			 "Exit codes: 0 done, 1 failed (one line on stderr says what), 2 wrong usage.",
		.options = options,
	};
	enum options_result parsed = options_parse(&cmd, argc, argv, &operands);

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? EXIT_CODE_OK : EXIT_CODE_USAGE;
	if (operands.n != 1)
		return options_wrong(&cmd, "expected one NAME");
	return end(signify_generate(operands.v[0], &err), &err);
}

int cmd_sign(int argc, char **argv)
{
	_cleanup_strv_ struct strv operands = {0};
	_cleanup_error_ struct error err = {0};
	const char *key = NULL;
	const struct option_def options[] = {
		{"key", 'k', OPTION_STRING, &key, "FILE", "secret key (NAME.sec)"},
		{0},
	};
	const struct command_line cmd = {
		.program = "bulkhead sign",
		.operands = "FILE",
		.summary = "Sign a file, usually SHA256SUMS: writes FILE.sig, as signify -S does.",
		.notes = "Exit codes: 0 done, 1 failed (one line on stderr says what), 2 wrong usage.",
		.options = options,
	};
	enum options_result parsed = options_parse(&cmd, argc, argv, &operands);

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? EXIT_CODE_OK : EXIT_CODE_USAGE;
	if (operands.n != 1 || !key)
		return options_wrong(&cmd, "expected --key and one FILE");
	return end(signify_sign(key, operands.v[0], &err), &err);
}
