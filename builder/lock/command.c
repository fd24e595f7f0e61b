/* bulkhead lock */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "builder/commands.h"
#include "builder/lock/diff.h"
#include "builder/lock/resolve.h"
#include "builder/lock/tools_root.h"
#include "builder/user.h"
#include "common/base/alloc.h"
#include "common/ui/options.h"

static const char program[] = "bulkhead";

struct request {
	struct strv mirrors, operands;
	const char *keyring, *output, *cache, *apt_root, *store;
	long timeout;
	bool allow_expired, quiet;
};

static void request_end(struct request *q)
{
	strv_free(&q->mirrors);
	strv_free(&q->operands);
}

static int read_previous(const char *path, struct lock **out, struct error *err)
{
	int r = lock_read(path, out, err);

	if (r != -ENOENT)
		return r;
	error_free(err);
	return 0;
}

static void say(const struct lock *old, const struct lock *new, const char *path)
{
	struct lock_changes c = {0};
	_cleanup_free_ char *text = NULL;

	if (old)
		c = lock_diff_print(stdout, old, new);
	text = lock_changes_text(&c);
	printf("%s: %zu packages, %.1f MB%s%s\n", path, new->n_packages,
	       (double)lock_total_size(new) / 1e6, old ? "; " : "", old ? text : "");
}

static void cleanup_store(struct store **s)
{
	store_close(*s);
}

static int open_store(const struct request *q, const char *root, struct store **store, struct error *err)
{
	_cleanup_free_ char *path = q->store ? xstrdup(q->store) : xasprintf("%s/build/store", root);

	return store_open(path, store, err);
}

static int lock_image(const struct request *q, struct error *err)
{
	_cleanup_free_ char *root = source_root(), *version = source_version(root), *found = NULL,
			    *path = NULL, *apt_root = NULL;
	_cleanup_definition_ struct definition *d = NULL;
	_cleanup_lock_ struct lock *old = NULL, *new = NULL;
	_cleanup_mirrors_ struct fetch_mirrors mirrors = {0};
	_cleanup_(cleanup_store) struct store *store = NULL;
	struct lock_options o = {.source_root = root,
				 .version = version,
				 .keyring = q->keyring,
				 .apt_root = q->apt_root,
				 .fetch = {.cache = q->cache,
					   .mirrors = &mirrors,
					   .quiet = q->quiet,
					   .timeout = (unsigned)q->timeout}};
	int r;

	if ((r = definition_find(root, q->operands.v[0], &found, err)) < 0 ||
	    (r = definition_read(found, &d, err)) < 0)
		return r;
	path = q->output ? xstrdup(q->output) : lock_path_of(d);
	if ((r = read_previous(path, &old, err)) < 0 ||
	    (r = fetch_mirrors_find(&mirrors, &q->mirrors, err)) < 0 ||
	    (r = user_become_root(USER_ALL_IDS, err)) < 0 || (r = open_store(q, root, &store, err)) < 0)
		return r;
	o.store = store;
	o.previous = old;
	/* A host that takes its own mirror's expired indexes says that the mirror is a frozen one. */
	o.allow_expired = q->allow_expired || (mirrors.of_host && fetch_apt_takes_expired());
	/* The tools image is what brings the right apt; before it only the host's is there. */
	if (!o.apt_root && strncmp(d->name, LOCK_TOOLS_PREFIX, strlen(LOCK_TOOLS_PREFIX)) != 0) {
		r = lock_tools_root(&o.fetch, root, version, store, &apt_root, err);
		o.apt_root = apt_root;
	}
	if (r == 0)
		r = lock_resolve(d, &o, &new, err);
	if (r == 0)
		r = lock_write(new, path, err);
	if (r == 0)
		say(old, new, path);
	return r;
}

int cmd_lock(int argc, char **argv)
{
	_cleanup_(request_end) struct request q = {0};
	_cleanup_error_ struct error err = {0};
	const struct option_def options[] = {
		{"mirror", 0, OPTION_LIST, &q.mirrors, "URI",
		 "mirror to use; may be repeated, file:// too"},
		{"keyring", 0, OPTION_STRING, &q.keyring, "FILE",
		 "keys instead of those in builder/keyrings"},
		{"output", 'o', OPTION_STRING, &q.output, "FILE",
		 "the lock (default: beside the definition)"},
		{"store", 0, OPTION_STRING, &q.store, "DIR",
		 "results of steps (default: build/store)"},
		{"apt-root", 0, OPTION_STRING, &q.apt_root, "DIR",
		 "root whose apt is to solve (default: tools-image)"},
		{"cache", 0, OPTION_STRING, &q.cache, "DIR",
		 "downloads (default: $BULKHEAD_CACHE)"},
		{"timeout", 0, OPTION_NUMBER, &q.timeout, "SECONDS",
		 "give a silent mirror up after (default: 30)"},
		{"allow-expired", 0, OPTION_FLAG, &q.allow_expired, NULL,
		 "take indexes past their Valid-Until"},
		{"quiet", 'q', OPTION_FLAG, &q.quiet, NULL, "no progress"},
		{0},
	};
	const struct command_line cmd = {
		.program = "bulkhead lock",
		.operands = "IMAGE",
		.summary = "Resolve an image's packages on verified indexes and write its lock.",
		.notes = "IMAGE is a name or the path of a definition. Mirrors come from --mirror, "
			 "else from the\n"
			 "environment's MIRROR, else from this machine's apt configuration.\n"
			 "Exit codes: 0 done, 1 failed (one line on stderr says what), 2 wrong "
			 "usage.",
		.options = options,
	};

	switch (options_parse(&cmd, argc, argv, &q.operands)) {
	case OPTIONS_HELP:
		return EXIT_CODE_OK;
	case OPTIONS_WRONG:
		return EXIT_CODE_USAGE;
	case OPTIONS_OK:
		break;
	}
	if (q.operands.n != 1)
		return options_wrong(&cmd, "expected one IMAGE");
	if (q.timeout > 3600)
		return options_wrong(&cmd, "a timeout of more than an hour");
	if (lock_image(&q, &err) == 0)
		return EXIT_CODE_OK;
	error_print(program, &err);
	return EXIT_CODE_FAILED;
}
