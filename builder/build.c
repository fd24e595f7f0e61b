/* bulkhead build: options in, goals for the graph, results into OUT. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "builder/commands.h"
#include "builder/graph.h"
#include "builder/image/output.h"
#include "builder/publish.h"
#include "builder/records.h"
#include "builder/relock.h"
#include "builder/sandbox.h"
#include "builder/user.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/clock.h"
#include "common/sys/file.h"
#include "common/ui/event.h"
#include "common/ui/options.h"

struct request {
	struct strv mirrors, operands, preload, setenv;
	const char *format, *keyring, *unpack, *store, *out, *cache, *key;
	bool relock, offline, plan, json, quiet;
	long jobs, events, timeout;
};

/* What is asked for, beside the step that makes it. */
struct goal {
	const struct definition_output *output; /* NULL: an output of --format */
	const char *name;
	enum output_kind kind;
};

struct goals {
	struct step *steps[STEP_DEPS_MAX];
	struct goal goals[STEP_DEPS_MAX];
	size_t n;	/* those that are handed out */
	size_t n_steps; /* and, after them, what their records are made from */
};

static const struct {
	const char *name, *file;
	enum output_kind kind;
} formats[] = {
	{"dir", "root", OUTPUT_DIR},
	{"tar", "root.tar", OUTPUT_TAR},
	{"ext4", "root.ext4", OUTPUT_EXT4},
	{"erofs", "root.erofs", OUTPUT_EROFS},
};
enum { FORMATS = sizeof(formats) / sizeof(formats[0]), MINUTE_MS = 60000, UNUSED_GIB = 16 };

static void request_end(struct request *q)
{
	strv_free(&q->mirrors);
	strv_free(&q->operands);
	strv_free(&q->preload);
	strv_free(&q->setenv);
}

static void add_goal(struct goals *goals, struct step *s, struct goal goal)
{
	if (goals->n == STEP_DEPS_MAX)
		abort();
	goals->steps[goals->n] = s;
	goals->goals[goals->n++] = goal;
}

static bool is_goal(const struct goals *goals, enum output_kind kind)
{
	for (size_t i = 0; i < goals->n; i++)
		if (goals->goals[i].kind == kind)
			return true;
	return false;
}

static int goals_of_formats(struct graph *g, struct image *image, const char *list,
			    struct goals *goals, struct error *err)
{
	struct blob rest = blob_of(list), word;

	if (image->definition->family != DEFINITION_DEB)
		return error_set(err, -EINVAL, image->definition->name, NULL,
				 "--format is for images with a root");
	while (blob_token(&rest, ',', &word)) {
		struct step *s;
		size_t f = 0;
		int r;

		while (f < FORMATS && !blob_eq_str(word, formats[f].name))
			f++;
		if (f == FORMATS)
			return error_set(err, -EINVAL, "--format",
					 "formats are dir, tar, ext4, erofs",
					 "unknown format '%.*s'", BLOB_ARG(word));
		if (is_goal(goals, formats[f].kind))
			continue;
		/* A folder is unpacked where it is wanted; the store needs no copy of it. */
		s = image->root;
		r = formats[f].kind == OUTPUT_DIR
			    ? 0
			    : graph_add_output(g, image, formats[f].file, formats[f].kind, &s, err);
		if (r < 0)
			return r;
		add_goal(goals, s, (struct goal){s->output, formats[f].file, formats[f].kind});
	}
	return goals->n ? 0 : error_set(err, -EINVAL, "--format", "formats are dir, tar, ext4, erofs", "names none");
}

static int find_goals(struct graph *g, struct image *image, const struct request *q,
		      struct goals *goals, struct error *err)
{
	const struct definition *d = image->definition;

	if (q->format)
		return goals_of_formats(g, image, q->format, goals, err);
	for (size_t i = 0; i < d->n_outputs; i++)
		add_goal(goals, image->outputs[i],
			 (struct goal){&d->outputs[i], d->outputs[i].name, d->outputs[i].kind});
	if (!goals->n && image->root)
		add_goal(goals, image->root, (struct goal){NULL, "root.tar", OUTPUT_TAR});
	return 0;
}

/* The roots that manifests are made from, which a store may have lost. */
static void add_sources_of_records(const struct graph *g, const struct image *image, struct goals *goals)
{
	goals->n_steps = goals->n;
	for (size_t i = 0; i < g->n_images && goals->n_steps < STEP_DEPS_MAX; i++) {
		const char *const *name = image->definition->images;

		while (*name && strcmp(*name, g->images[i]->definition->name) != 0)
			name++;
		if (g->images[i]->root && (*name || g->images[i] == image))
			goals->steps[goals->n_steps++] = g->images[i]->root;
	}
}

static int publish_goal(const struct graph *g, struct step *s, const struct goal *goal,
			const struct request *q, struct error *err)
{
	_cleanup_arena_ struct arena *a = arena_new();
	const char *names[OUTPUT_FILES_MAX + 1];
	int r = 0;

	/* A folder that a definition names is a root for tools: used where it lies. */
	if (goal->kind == OUTPUT_DIR)
		return q->format ? publish_folder(g, s, goal->name, err) : 0;
	if (goal->kind == OUTPUT_TAR)
		return publish_file(g, s, "root.tar", goal->name, err);
	output_files(a, goal->output, names);
	for (const char **name = names; r == 0 && *name; name++)
		r = goal->kind == OUTPUT_ISO && name == names
			    ? publish_medium(g, s, *name, err)
			    : publish_file(g, s, *name, *name, err);
	/* A medium leaves the machine: what it was made of lasts as well. */
	return r == 0 && goal->kind == OUTPUT_ISO ? store_sync(g->store, err) : r;
}

static int publish(const struct graph *g, const struct goals *goals, const struct request *q,
		   struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < goals->n; i++)
		r = publish_goal(g, goals->steps[i], &goals->goals[i], q, err);
	return r;
}

static int write_records(const struct graph *g, struct image *image, const struct goals *goals,
			 const struct request *q, struct error *err)
{
	_cleanup_free_ char *medium = NULL;
	struct records records = {
		.graph = g, .image = image, .goals = goals->steps, .n_goals = goals->n, .key = q->key};

	for (size_t i = 0; i < goals->n && !medium; i++)
		if (goals->goals[i].kind == OUTPUT_ISO)
			medium = publish_medium_name(g, goals->goals[i].name);
	records.medium = medium;
	return goals->n ? records_write(&records, err) : 0;
}

static void say_locks(const struct graph *g)
{
	for (size_t i = 0; i < g->n_images; i++)
		if (g->images[i]->relocked)
			printf("%s: built from the new lock %s/lock/%s.lock\n",
			       g->images[i]->definition->name, g->options->out,
			       g->images[i]->definition->name);
}

static void say_unused(const struct store *store, const struct request *q)
{
	if (store_has_unused(store, (unsigned long long)UNUSED_GIB << 30))
		printf("the store has more than %d GiB of results that newer ones replaced: "
		       "`bulkhead gc --unused%s%s` removes them\n",
		       UNUSED_GIB, q->store ? " --store " : "", q->store ? q->store : "");
}

static int run(struct graph *g, const struct goals *goals, struct error *err)
{
	int64_t began = now_ms();
	int r = graph_run(g, goals->steps, goals->n_steps, err), synced;

	/* What took less is sooner made again than waited for. */
	if (now_ms() - began < MINUTE_MS)
		return r;
	synced = store_sync(g->store, r < 0 ? NULL : err);
	return r < 0 ? r : synced;
}

static int build(const struct request *q, const struct graph_options *o, struct store *store,
		 struct error *err)
{
	_cleanup_graph_ struct graph *g = graph_new(o, store);
	struct goals goals = {.n = 0};
	int64_t began = now_ms();
	struct image *image;
	int r;

	if ((r = graph_add_image(g, q->operands.v[0], &image, err)) < 0 ||
	    (r = find_goals(g, image, q, &goals, err)) < 0)
		return r;
	add_sources_of_records(g, image, &goals);
	if (q->plan)
		return graph_plan(g, goals.steps, goals.n_steps, q->json, err);
	if (o->relock && (r = relock_images(g, err)) < 0)
		return r;
	if ((r = run(g, &goals, err)) < 0 || (r = publish(g, &goals, q, err)) < 0 ||
	    (r = write_records(g, image, &goals, q, err)) < 0)
		return r;
	if (q->quiet)
		return 0;
	say_locks(g);
	/* Counting takes its time, which a short build does not have. */
	if (now_ms() - began >= MINUTE_MS)
		say_unused(store, q);
	return 0;
}

static int prepare_and_build(const struct request *q, struct error *err)
{
	_cleanup_free_ char *root = source_root(), *version = source_version(root),
			    *store_path = NULL, *out = NULL;
	_cleanup_mirrors_ struct fetch_mirrors mirrors = {0};
	struct graph_options o = {.source_root = root,
				  .version = version,
				  .keyring = q->keyring,
				  .dpkg = q->unpack && !strcmp(q->unpack, "dpkg"),
				  .relock = q->relock,
				  .jobs = (unsigned)q->jobs,
				  .timeout_s = (unsigned)q->timeout,
				  .quiet = q->quiet,
				  .fetch = {.cache = q->cache,
					    .mirrors = &mirrors,
					    .offline = q->offline,
					    .quiet = q->quiet || !isatty(2)}};
	struct store *store = NULL;
	int r;

	store_path = q->store ? xstrdup(q->store) : xasprintf("%s/build/store", root);
	out = q->out ? xstrdup(q->out) : xasprintf("%s/out", root);
	o.out = out;
	if (!q->offline && (r = fetch_mirrors_find(&mirrors, &q->mirrors, err)) < 0)
		return r;
	if (!q->plan && (r = user_become_root(USER_ALL_IDS, err)) < 0)
		return r;
	if (!q->plan && !q->quiet && !sandbox_landlock_version())
		fprintf(stderr, "warning: this kernel has no Landlock (or only its first version): "
				"mounts alone hold the sandbox\n");
	r = store_open(store_path, &store, err);
	if (r == 0)
		r = build(q, &o, store, err);
	store_close(store);
	return r;
}

int cmd_build(int argc, char **argv)
{
	_cleanup_(request_end) struct request q = {.events = -1};
	_cleanup_error_ struct error err = {0};
	const struct option_def options[] = {
		{"format", 0, OPTION_STRING, &q.format, "LIST",
		 "instead of the definition's outputs: dir,tar,ext4,erofs"},
		{"mirror", 0, OPTION_LIST, &q.mirrors, "URI",
		 "mirror to use; may be repeated, file:// too"},
		{"keyring", 0, OPTION_STRING, &q.keyring, "FILE",
		 "keys instead of those in builder/keyrings (--relock)"},
		{"relock", 0, OPTION_FLAG, &q.relock, NULL,
		 "resolve anew where locked packages are gone"},
		{"offline", 0, OPTION_FLAG, &q.offline, NULL, "use the cache only"},
		{"unpack", 0, OPTION_STRING, &q.unpack, "WAY", "how packages are unpacked: direct (default) or dpkg"},
		{"store", 0, OPTION_STRING, &q.store, "DIR",
		 "results of steps (default: build/store)"},
		{"cache", 0, OPTION_STRING, &q.cache, "DIR",
		 "downloads (default: $BULKHEAD_CACHE)"},
		{"out", 'o', OPTION_STRING, &q.out, "DIR", "where results go (default: out)"},
		{"key", 'k', OPTION_STRING, &q.key, "FILE",
		 "secret key that signs SHA256SUMS of a medium (see 'bulkhead key')"},
		{"plan", 0, OPTION_FLAG, &q.plan, NULL,
		 "print the steps, whether they would run and why; do nothing"},
		{"json", 0, OPTION_FLAG, &q.json, NULL, "--plan as JSON"},
		{"jobs", 'j', OPTION_NUMBER, &q.jobs, "N", "steps at a time (default: 2)"},
		{"timeout", 0, OPTION_NUMBER, &q.timeout, "SECONDS",
		 "how long the scripts of packages may run (default: 3600)"},
		{"preload", 0, OPTION_LIST, &q.preload, "FILE",
		 "shared library for all programs inside, to test that results do not depend on it"},
		{"setenv", 0, OPTION_LIST, &q.setenv, "NAME=VALUE", "the same with the environment"},
		{"events", 0, OPTION_NUMBER, &q.events, "FD",
		 "write progress as JSON lines to this descriptor"},
		{"quiet", 'q', OPTION_FLAG, &q.quiet, NULL, "say nothing but errors"},
		{0},
	};
	const struct command_line cmd = {
		.program = "bulkhead build",
		.operands = "IMAGE",
		.summary = "Build an image from its lock.",
		.notes = "IMAGE is a name or the path of a definition; results go to OUT/IMAGE/.\n"
			 "Exit codes: 0 done, 1 failed (one line on stderr says what), 2 wrong "
			 "usage.",
		.options = options,
	};
	enum options_result parsed = options_parse(&cmd, argc, argv, &q.operands);

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? EXIT_CODE_OK : EXIT_CODE_USAGE;
	if (q.operands.n != 1)
		return options_wrong(&cmd, "expected one IMAGE");
	if (q.unpack && strcmp(q.unpack, "dpkg") != 0 && strcmp(q.unpack, "direct") != 0)
		return options_wrong(&cmd, "--unpack is direct or dpkg");
	if (q.json && !q.plan)
		return options_wrong(&cmd, "--json is for --plan");
	if (q.timeout > 24 * 60 * 60)
		return options_wrong(&cmd, "more than a day for --timeout");
	if (sandbox_vary(&q.preload, &q.setenv) < 0)
		return options_wrong(&cmd, "too many libraries for --preload");
	if (q.jobs > 64)
		return options_wrong(&cmd, "more than 64 jobs");
	if (q.events >= 0)
		event_open_fd((int)q.events);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (prepare_and_build(&q, &err) == 0)
		return EXIT_CODE_OK;
	error_print("bulkhead", &err);
	return EXIT_CODE_FAILED;
}
