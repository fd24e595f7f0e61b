/* bulkhead diff */
#include <jansson.h>
#include <stdio.h>
#include <sys/stat.h>

#include "builder/commands.h"
#include "builder/inspect/compare.h"
#include "common/ui/options.h"

static void print_plain(const struct differences *d)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct difference *one = &d->list[i];

		printf("%c %s%s%s\n", one->sign, one->where, *one->where && *one->what ? ": " : "", one->what);
	}
	if (d->n)
		printf("%zu differences\n", d->n);
	else
		printf("no difference\n");
}

static void print_json(const struct differences *d)
{
	json_t *list = json_array();

	for (size_t i = 0; i < d->n; i++)
		json_array_append_new(list, json_pack("{s:s#, s:s, s:s}", "sign", &d->list[i].sign, (int)1, "path",
						      d->list[i].where, "what", d->list[i].what));
	json_dumpf(list, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(list);
}

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* How many differences there are, or -errno. */
static int diff(char *const *paths, bool json, struct error *err)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_(compare_end) struct compare_side one = {0}, two = {0};
	struct compare_side *sides[] = {&one, &two};
	/* An archive is read by the root of a namespace, to whom the owners of a folder's files are strangers. */
	size_t first = !is_folder(paths[0]) && is_folder(paths[1]);
	struct differences d;
	int r;

	if ((r = compare_read(a, paths[first], sides[first], err)) < 0 ||
	    (r = compare_read(a, paths[!first], sides[!first], err)) < 0 ||
	    (r = compare_sides(a, &one, &two, &d, err)) < 0)
		return r;
	if (json)
		print_json(&d);
	else
		print_plain(&d);
	return d.n ? 1 : 0;
}

int cmd_diff(int argc, char **argv)
{
	_cleanup_strv_ struct strv operands = {0};
	_cleanup_error_ struct error err = {0};
	bool json = false;
	const struct option_def options[] = {
		{"json", 0, OPTION_FLAG, &json, NULL, "print the differences as JSON"},
		{0},
	};
	const struct command_line cmd = {
		.program = "bulkhead diff",
		.operands = "A B",
		.summary = "Say what differs between two builds.",
		.notes = "Each is a manifest, a build-info, a root.tar, an ISO or a folder; a folder with the records of a\n"
			 "build (OUT/IMAGE) stands for its manifest and build-info. Lines begin with - for what only A\n"
			 "has, + for what only B has, ~ for what both have, * for an input of the build.\n"
			 "Exit codes: 0 no difference, 1 failed (one line on stderr says what), 2 wrong usage, 3 they "
			 "differ.",
		.options = options,
	};
	enum options_result parsed = options_parse(&cmd, argc, argv, &operands);
	int r;

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? EXIT_CODE_OK : EXIT_CODE_USAGE;
	if (operands.n != 2)
		return options_wrong(&cmd, "expected A and B");
	r = diff(operands.v, json, &err);
	if (r >= 0)
		return r ? EXIT_CODE_DIFFERENT : EXIT_CODE_OK;
	error_print("bulkhead", &err);
	return EXIT_CODE_FAILED;
}
