/* bulkhead why */
#include <jansson.h>
#include <stdio.h>

#include "builder/commands.h"
#include "builder/inspect/session.h"
#include "builder/inspect/why.h"
#include "common/ui/options.h"

static void print_plain(const struct reason *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		printf("%s%s %s%s%s\n", i ? "also " : "", list[i].kind, list[i].name, *list[i].detail ? ": " : "",
		       list[i].detail);
}

static void print_json(const struct reason *list, size_t n)
{
	json_t *all = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(all, json_pack("{s:s, s:s, s:s}", "kind", list[i].kind, "name", list[i].name,
						     "detail", list[i].detail));
	json_dumpf(all, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(all);
}

static int explain(const char *store, char *const *operands, bool json, struct error *err)
{
	_cleanup_(session_end) struct session s = {0};
	_cleanup_arena_ struct arena *a = arena_new();
	struct reason list[WHY_MAX];
	size_t n;
	int r;

	if ((r = session_open(&s, store, operands[0], err)) < 0 ||
	    (r = why(s.graph, s.image, operands[1], a, list, &n, err)) < 0)
		return r;
	if (json)
		print_json(list, n);
	else
		print_plain(list, n);
	return 0;
}

int cmd_why(int argc, char **argv)
{
	_cleanup_strv_ struct strv operands = {0};
	_cleanup_error_ struct error err = {0};
	const char *store = NULL;
	bool json = false;
	const struct option_def options[] = {
		{"store", 0, OPTION_STRING, &store, "DIR", "results of steps (default: build/store)"},
		{"json", 0, OPTION_FLAG, &json, NULL, "print as JSON"},
		{0},
	};
	const struct command_line cmd = {
		.program = "bulkhead why",
		.operands = "IMAGE PATH",
		.summary = "Say what put a path into an image: package, overlay or script.",
		.notes = "The image must have been built. The first line is about what is there now, the others about what\n"
			 "also brings that path.\n"
			 "Exit codes: 0 done, 1 failed (one line on stderr says what), 2 wrong usage.",
		.options = options,
	};
	enum options_result parsed = options_parse(&cmd, argc, argv, &operands);

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? EXIT_CODE_OK : EXIT_CODE_USAGE;
	if (operands.n != 2)
		return options_wrong(&cmd, "expected IMAGE and PATH");
	if (explain(store, operands.v, json, &err) == 0)
		return EXIT_CODE_OK;
	error_print("bulkhead", &err);
	return EXIT_CODE_FAILED;
}
