/* bulkhead gc */
#include <limits.h>
#include <stdio.h>
#include <time.h>

#include "builder/commands.h"
#include "builder/store.h"
#include "builder/user.h"
#include "common/base/alloc.h"
#include "common/ui/options.h"

enum { DAY = 24 * 60 * 60, DAYS_MAX = 36500, MIB_MAX = 1 << 30 };

struct request {
	struct strv operands;
	const char *store;
	long days, mib;
	bool unused, plan;
};

static void request_end(struct request *q)
{
	strv_free(&q->operands);
}

static int collect(const struct request *q, struct error *err)
{
	_cleanup_free_ char *root = source_root(), *path = NULL;
	struct store_gc gc = {.keep_bytes = ULLONG_MAX, .dry_run = q->plan};
	struct store_gc_result result;
	struct store *s = NULL;
	int r;

	path = q->store ? xstrdup(q->store) : xasprintf("%s/build/store", root);
	if (q->days >= 0)
		gc.made_before = (long long)time(NULL) - (long long)q->days * DAY;
	else if (q->unused)
		gc.made_before = LLONG_MAX;
	if (q->mib >= 0)
		gc.keep_bytes = (unsigned long long)q->mib << 20;
	r = user_become_root(USER_ALL_IDS, err);
	if (r == 0)
		r = store_open(path, &s, err);
	if (r == 0)
		r = store_collect(s, &gc, &result, err);
	if (r == 0)
		printf("%s %zu results, %.1f MB; %zu, %.1f MB %s\n", q->plan ? "would remove" : "removed",
		       result.removed, (double)result.removed_bytes / 1e6, result.left,
		       (double)result.left_bytes / 1e6, q->plan ? "would be left" : "left");
	store_close(s);
	return r;
}

int cmd_gc(int argc, char **argv)
{
	_cleanup_(request_end) struct request q = {.days = -1, .mib = -1};
	_cleanup_error_ struct error err = {0};
	const struct option_def options[] = {
		{"unused", 0, OPTION_FLAG, &q.unused, NULL, "remove all but the newest result of each step"},
		{"older", 0, OPTION_NUMBER, &q.days, "DAYS", "of these only what was made more than DAYS days ago"},
		{"size", 0, OPTION_NUMBER, &q.mib, "MIB",
		 "then the oldest, the newest of a step last, until MIB are left"},
		{"store", 0, OPTION_STRING, &q.store, "DIR", "results of steps (default: build/store)"},
		{"plan", 0, OPTION_FLAG, &q.plan, NULL, "say what would go, remove nothing"},
		{0},
	};
	const struct command_line cmd = {
		.program = "bulkhead gc",
		.operands = "",
		.summary = "Remove old results from the store; a build makes again what it misses.",
		.notes = "Refused while a build uses the store.\n"
			 "Exit codes: 0 done, 1 failed (one line on stderr says what), 2 wrong usage.",
		.options = options,
	};
	enum options_result parsed = options_parse(&cmd, argc, argv, &q.operands);

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? EXIT_CODE_OK : EXIT_CODE_USAGE;
	if (q.operands.n)
		return options_wrong(&cmd, "expected no operand");
	if (!q.unused && q.days < 0 && q.mib < 0)
		return options_wrong(&cmd, "expected --unused, --older or --size");
	if (q.days > DAYS_MAX || q.mib > MIB_MAX)
		return options_wrong(&cmd, "a number too large");
	if (collect(&q, &err) == 0)
		return EXIT_CODE_OK;
	error_print("bulkhead", &err);
	return EXIT_CODE_FAILED;
}
