/*
 * Promise: what is in the store is found without what it was made from, and a change reaches only
 * the steps that depend on it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/graph.h"
#include "builder/history.h"
#include "builder/inputs.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"
#include "common/tests/test.h"

/* Two images of one package each; "b" has an overlay. */
static const char definition[] = "name: %s\nfamily: deb\nsuites: [trixie]\npackages: [p]\n%s"
				 "outputs: {root.tar: {kind: tar}, k: {kind: file, path: /k}}\n";
static const char lock[] = "bulkhead-lock 1\nimage %s\narchitecture amd64\n"
			   "index main trixie main 2026-01-01T00:00:00Z %s %s\n"
			   "package main p %s amd64 1 %s pool/p.deb\n";
static const char hash[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static void write_text(const char *folder, const char *name, char *text)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", folder, name);

	CHECK_INT(mkdir_parents(AT_FDCWD, path, 0755), 0);
	CHECK_INT(write_file(AT_FDCWD, path, text, strlen(text), 0644), 0);
	free(text);
}

static void write_image(const char *folder, const char *name, const char *version, const char *more)
{
	_cleanup_free_ char *yaml = xasprintf("templates/%s.yaml", name);
	_cleanup_free_ char *lock_name = xasprintf("templates/%s.lock", name);

	write_text(folder, yaml, xasprintf(definition, name, more));
	write_text(folder, lock_name, xasprintf(lock, name, hash, hash, version, hash));
}

struct world {
	char *folder, *store_folder;
	struct graph_options options;
	struct store *store;
	struct graph *graph;
	struct image *image;
};

static bool open_world(struct world *w, const char *image)
{
	_cleanup_error_ struct error err = {0};

	w->options =
		(struct graph_options){.source_root = w->folder, .version = "1", .quiet = true};
	if (store_open(w->store_folder, &w->store, &err) < 0)
		return CHECK(false);
	w->graph = graph_new(&w->options, w->store);
	if (graph_add_image(w->graph, image, &w->image, &err) < 0) {
		error_print("graph", &err);
		return CHECK(false);
	}
	return true;
}

static void close_world(struct world *w)
{
	graph_free(w->graph);
	store_close(w->store);
}

/* As if the step had run. */
static void finish(struct world *w, struct step *s)
{
	_cleanup_error_ struct error err = {0};
	struct store_entry e;

	CHECK_INT(graph_resolve(w->graph, s, &err), 0);
	CHECK(s->known);
	if (store_begin(w->store, s->key, &s->inputs, &e, &err) == 0)
		CHECK_INT(store_commit(w->store, &e, &err), 0);
}

static void new_world(struct world *w)
{
	w->folder = xstrdup(test_dir());
	w->store_folder = xstrdup(test_dir());
	write_image(w->folder, "a", "1.0", "");
	write_image(w->folder, "b", "1.0", "overlay: b.overlay\n");
	write_text(w->folder, "templates/b.overlay/etc/x", xstrdup("one"));
}

static void end_world(struct world *w)
{
	free(w->folder);
	free(w->store_folder);
}

TEST(nothing_is_there)
{
	struct world w;
	_cleanup_error_ struct error err = {0};

	new_world(&w);
	if (open_world(&w, "a")) {
		CHECK_INT(graph_mark(w.graph, w.image->outputs, 2, &err), 0);
		CHECK(w.image->base->needed && w.image->root->needed);
		CHECK(!w.image->folder->needed);
	}
	close_world(&w);
	end_world(&w);
}

TEST(a_result_needs_no_inputs)
{
	struct world w;
	_cleanup_error_ struct error err = {0};

	new_world(&w);
	if (open_world(&w, "a")) {
		finish(&w, w.image->root);
		finish(&w, w.image->outputs[1]);
		CHECK_INT(graph_mark(w.graph, w.image->outputs, 2, &err), 0);
		CHECK(!w.image->base->present && !w.image->base->needed);
		CHECK_INT(graph_run(w.graph, w.image->outputs, 2, &err), 0);
	}
	close_world(&w);
	end_world(&w);
}

TEST(an_overlay_reaches_root_but_not_base)
{
	struct world w;
	_cleanup_error_ struct error err = {0};

	new_world(&w);
	if (open_world(&w, "b")) {
		finish(&w, w.image->base);
		finish(&w, w.image->root);
		finish(&w, w.image->outputs[1]);
	}
	close_world(&w);
	write_text(w.folder, "templates/b.overlay/etc/x", xstrdup("two"));
	if (open_world(&w, "b")) {
		CHECK_INT(graph_mark(w.graph, w.image->outputs, 2, &err), 0);
		CHECK(w.image->base->present);
		CHECK(w.image->root->needed && w.image->outputs[1]->needed);
	}
	close_world(&w);
	end_world(&w);
}

TEST(a_package_reaches_base)
{
	struct world w;
	_cleanup_error_ struct error err = {0};

	new_world(&w);
	if (open_world(&w, "a"))
		finish(&w, w.image->base);
	close_world(&w);
	write_image(w.folder, "a", "1.1", "");
	if (open_world(&w, "a")) {
		CHECK_INT(graph_mark(w.graph, w.image->outputs, 2, &err), 0);
		CHECK(w.image->base->needed);
	}
	close_world(&w);
	end_world(&w);
}

TEST(same_packages_share_their_base)
{
	struct world a, b;

	new_world(&a);
	b = a;
	if (open_world(&a, "a") && open_world(&b, "b")) {
		finish(&a, a.image->base);
		finish(&b, b.image->base);
		CHECK_STR(a.image->base->key, b.image->base->key);
	}
	close_world(&a);
	close_world(&b);
	end_world(&a);
}

static void check_reason(struct world *w, const struct step *s, const char *want)
{
	_cleanup_strv_ struct strv reasons = {0};
	_cleanup_free_ char *text = NULL;
	_cleanup_error_ struct error err = {0};

	CHECK_INT(graph_mark(w->graph, w->image->outputs, 2, &err), 0);
	step_reasons(w->graph, s, &reasons);
	text = inputs_summary(&reasons);
	CHECK_STR(text, want);
}

TEST(a_step_says_why_it_runs)
{
	struct world w;
	_cleanup_error_ struct error err = {0};

	new_world(&w);
	if (open_world(&w, "b")) {
		check_reason(&w, w.image->base, "was never built here");
		finish(&w, w.image->base);
		finish(&w, w.image->root);
		finish(&w, w.image->outputs[1]);
		CHECK_INT(graph_run(w.graph, w.image->outputs, 2, &err), 0);
		check_reason(&w, w.image->root, "");
	}
	close_world(&w);
	write_text(w.folder, "templates/b.overlay/etc/x", xstrdup("two"));
	if (open_world(&w, "b")) {
		check_reason(&w, w.image->root, "overlay changed");
		check_reason(&w, w.image->outputs[1], "step b:root changed");
	}
	close_world(&w);
	write_text(w.folder, "templates/b.overlay/etc/x", xstrdup("one"));
	if (open_world(&w, "b")) {
		_cleanup_free_ char *path = NULL;

		check_reason(&w, w.image->root, "");
		path = store_entry_path(w.store, w.image->root->key, NULL);
		CHECK_INT(remove_tree(AT_FDCWD, path), 0);
		path = (free(path), store_entry_path(w.store, w.image->outputs[1]->key, NULL));
		CHECK_INT(remove_tree(AT_FDCWD, path), 0);
	}
	close_world(&w);
	if (open_world(&w, "b")) {
		check_reason(&w, w.image->root, "its result is no longer in the store");
	}
	close_world(&w);
	end_world(&w);
}

TEST(history_keeps_the_time_of_a_run)
{
	struct world w;
	struct history h;
	struct strbuf text = {.p = (char[]){"a 1\n"}, .n = 4}, other = {.p = (char[]){"a 2\n"}, .n = 4};

	new_world(&w);
	if (open_world(&w, "a")) {
		CHECK_INT(history_read(w.store, "a:root", &h), -ENOENT);
		history_write(w.store, "a:root", &text, 1234);
		history_write(w.store, "a:root", &other, -1);
		CHECK_INT(history_read(w.store, "a:root", &h), 0);
		CHECK_INT(h.ms, 1234);
		CHECK_STR(h.inputs.p, "a 2\n");
		history_free(&h);
	}
	close_world(&w);
	end_world(&w);
}
