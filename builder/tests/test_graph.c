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

#include "builder/display.h"
#include "builder/history.h"
#include "builder/image/iso.h"
#include "builder/inputs.h"
#include "builder/tests/world.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"
#include "common/tests/test.h"

TEST(nothing_is_there)
{
	struct world w;
	_cleanup_error_ struct error err = {0};

	world_new(&w);
	if (world_open(&w, "a")) {
		CHECK_INT(graph_mark(w.graph, w.image->outputs, 2, &err), 0);
		CHECK(w.image->base->needed && w.image->root->needed);
		CHECK(!w.image->folder->needed);
	}
	world_close(&w);
	world_end(&w);
}

TEST(a_result_needs_no_inputs)
{
	struct world w;
	_cleanup_error_ struct error err = {0};

	world_new(&w);
	if (world_open(&w, "a")) {
		world_finish(&w, w.image->root);
		world_finish(&w, w.image->outputs[1]);
		CHECK_INT(graph_mark(w.graph, w.image->outputs, 2, &err), 0);
		CHECK(!w.image->base->present && !w.image->base->needed);
		CHECK_INT(graph_run(w.graph, w.image->outputs, 2, &err), 0);
	}
	world_close(&w);
	world_end(&w);
}

/* What a build makes is newer than its packages, and so gets the date of these: not so with a clock that is behind. */
TEST(a_clock_behind_the_lock_is_refused)
{
	struct world w;
	_cleanup_error_ struct error err = {0};

	world_new(&w);
	world_date_lock(w.folder, "a", "2100-01-01");
	if (world_open(&w, "a")) {
		CHECK_INT(graph_run(w.graph, &w.image->base, 1, &err), -ECANCELED);
		CHECK_STR(err.cause, "its packages are of a day that is yet to come");
		CHECK_STR(err.remedy, "set this machine's clock");
	}
	world_close(&w);
	world_end(&w);
}

TEST(an_overlay_reaches_root_but_not_base)
{
	struct world w;
	_cleanup_error_ struct error err = {0};

	world_new(&w);
	if (world_open(&w, "b")) {
		world_finish(&w, w.image->base);
		world_finish(&w, w.image->root);
		world_finish(&w, w.image->outputs[1]);
	}
	world_close(&w);
	world_write(w.folder, "templates/b.overlay/etc/x", xstrdup("two"));
	if (world_open(&w, "b")) {
		CHECK_INT(graph_mark(w.graph, w.image->outputs, 2, &err), 0);
		CHECK(w.image->base->present);
		CHECK(w.image->root->needed && w.image->outputs[1]->needed);
	}
	world_close(&w);
	world_end(&w);
}

TEST(a_package_reaches_base)
{
	struct world w;
	_cleanup_error_ struct error err = {0};

	world_new(&w);
	if (world_open(&w, "a"))
		world_finish(&w, w.image->base);
	world_close(&w);
	world_image(w.folder, "a", "1.1", "");
	if (world_open(&w, "a")) {
		CHECK_INT(graph_mark(w.graph, w.image->outputs, 2, &err), 0);
		CHECK(w.image->base->needed);
	}
	world_close(&w);
	world_end(&w);
}

TEST(same_packages_share_their_base)
{
	struct world a, b;

	world_new(&a);
	b = a;
	if (world_open(&a, "a") && world_open(&b, "b")) {
		world_finish(&a, a.image->base);
		world_finish(&b, b.image->base);
		CHECK_STR(a.image->base->key, b.image->base->key);
	}
	world_close(&a);
	world_close(&b);
	world_end(&a);
}

/* The root of c holds digests of what the medium m takes from a; what m takes from c itself is none of them. */
static void make_medium(struct world *w, const char *source)
{
	world_image(w->folder, "c", "1.0", "medium: m\n");
	world_write(w->folder, "iso/m.yaml",
		    xasprintf("name: m\nfamily: iso\nimages: [c, a]\n"
			      "files: {/templates/a/k: %s, /own: c/k, /menu: beside}\noutputs: {m.iso: {kind: iso}}\n",
			      source));
}

TEST(what_a_medium_takes_from_others_reaches_the_root)
{
	struct world w;
	char base[SHA256_HEX] = "", root[SHA256_HEX] = "";
	_cleanup_error_ struct error err = {0};

	world_new(&w);
	make_medium(&w, "a/k");
	for (int i = 0; i < 2; i++) {
		if (world_open(&w, "c")) {
			CHECK_INT(graph_mark(w.graph, w.image->outputs, 2, &err), 0);
			CHECK(w.image->base->known && w.image->root->known);
			CHECK_INT(w.graph->n_images, 2);
			CHECK_STR(w.image->root->deps[1]->id, "a:k");
			CHECK(w.image->root->deps[1]->needed && w.image->root->n_deps == 2);
			if (i)
				CHECK(!strcmp(w.image->base->key, base) && strcmp(w.image->root->key, root) != 0);
			memcpy(base, w.image->base->key, sizeof(base));
			memcpy(root, w.image->root->key, sizeof(root));
		}
		world_close(&w);
		world_image(w.folder, "a", "1.1", "");
	}
	world_end(&w);
}

TEST(a_digest_of_nothing_is_refused)
{
	struct world w;
	struct image *image;
	_cleanup_error_ struct error err = {0};

	world_new(&w);
	make_medium(&w, "a/none");
	if (world_open(&w, "a")) {
		CHECK_INT(graph_add_image(w.graph, "c", &image, &err), -EINVAL);
		CHECK_STR(err.object, "a/none");
	}
	world_close(&w);
	world_end(&w);
}

TEST(an_image_that_needs_itself_is_refused)
{
	static const char iso[] = "name: %s\nfamily: iso\nimages: [%s]\noutputs: {%s.iso: {kind: iso}}\n";
	/* Itself; each the other; the root of each holds digests of what the other's medium takes. */
	static const char *const images[] = {"itself", "one", "x"};
	struct world w;

	world_new(&w);
	world_image(w.folder, "tools-image", "1.0", "");
	world_write(w.folder, "iso/itself.yaml", xasprintf(iso, "itself", "itself", "itself"));
	world_write(w.folder, "iso/one.yaml", xasprintf(iso, "one", "two", "one"));
	world_write(w.folder, "iso/two.yaml", xasprintf(iso, "two", "one", "two"));
	world_image(w.folder, "x", "1.0", "medium: m\n");
	world_image(w.folder, "y", "1.0", "medium: n\n");
	world_write(w.folder, "iso/m.yaml", xstrdup("name: m\nfamily: iso\nfiles: {/k: y/k}\n"));
	world_write(w.folder, "iso/n.yaml", xstrdup("name: n\nfamily: iso\nfiles: {/k: x/k}\n"));
	for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
		_cleanup_error_ struct error err = {0};
		struct image *image;

		if (world_open(&w, "a")) {
			CHECK_INT(graph_add_image(w.graph, images[i], &image, &err), -ELOOP);
			CHECK_STR(err.cause, "is needed by what it needs");
		}
		world_close(&w);
	}
	world_end(&w);
}

TEST(digests_are_those_of_the_files)
{
	_cleanup_error_ struct error err = {0};
	_cleanup_strbuf_ struct strbuf text = {0};
	const char *dir = test_dir();
	_cleanup_free_ char *path = xasprintf("%s/k", dir), *version = xasprintf("%s/version", dir);
	struct definition_file files[] = {{"/templates/@a/version@/k", "a/k"}, {"/own", "c/k"}};
	const struct definition d = {.path = "m.yaml", .files = files, .n_files = 2};
	const struct output_input inputs[] = {{"a/k", path}, {"a/version", version}};
	const struct output_job job = {.definition = &d, .inputs = inputs, .n_inputs = 2};

	world_write(dir, "k", xstrdup("abc"));
	world_write(dir, "version", xstrdup("6.1\n"));
	CHECK_INT(iso_digests(&job, &text, &err), 0);
	CHECK_STR(text.p, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  templates/6.1/k\n");
}

/* What another user made can be seen to be there, but not looked into. */
TEST(a_result_of_another_user_is_told_as_such)
{
	struct world w;
	_cleanup_error_ struct error none = {0}, err = {0};
	_cleanup_free_ char *entry = NULL;
	bool root = geteuid() == 0;

	world_new(&w);
	world_image(w.folder, "tools-build", "1.0", "");
	world_image(w.folder, "a", "1.0", "runtime: [own]\n");
	world_write(w.folder, "Makefile", xstrdup("all:\n"));
	world_write(w.folder, "VERSION", xstrdup("1\n"));
	if (world_open_with(&w, "a", true)) {
		lock_add_local(w.image->lock, "own");
		world_finish(&w, w.image->base);
		world_finish(&w, w.graph->packages);
		CHECK_INT(graph_resolve(w.graph, w.image->root, &none), -ENOENT);
		CHECK_STR(none.cause, "there is no such package of ours");
		entry = store_entry_path(w.store, w.graph->packages->key, NULL);
		CHECK_INT(chmod(entry, 0), 0);
		CHECK(!root || seteuid(65534) == 0);
		CHECK_INT(graph_resolve(w.graph, w.image->root, &err), -EACCES);
		CHECK(!root || seteuid(0) == 0);
		CHECK_STR(err.cause, "it was made by another user");
		CHECK_INT(chmod(entry, 0700), 0);
	}
	world_close(&w);
	world_end(&w);
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

	world_new(&w);
	if (world_open(&w, "b")) {
		check_reason(&w, w.image->base, "was never built here");
		world_finish(&w, w.image->base);
		world_finish(&w, w.image->root);
		world_finish(&w, w.image->outputs[1]);
		CHECK_INT(graph_run(w.graph, w.image->outputs, 2, &err), 0);
		check_reason(&w, w.image->root, "");
	}
	world_close(&w);
	world_write(w.folder, "templates/b.overlay/etc/x", xstrdup("two"));
	if (world_open(&w, "b")) {
		check_reason(&w, w.image->root, "overlay changed");
		check_reason(&w, w.image->outputs[1], "step b:root changed");
	}
	world_close(&w);
	world_write(w.folder, "templates/b.overlay/etc/x", xstrdup("one"));
	if (world_open(&w, "b")) {
		_cleanup_free_ char *path = NULL;

		check_reason(&w, w.image->root, "");
		path = store_entry_path(w.store, w.image->root->key, NULL);
		CHECK_INT(remove_tree(AT_FDCWD, path), 0);
		path = (free(path), store_entry_path(w.store, w.image->outputs[1]->key, NULL));
		CHECK_INT(remove_tree(AT_FDCWD, path), 0);
	}
	world_close(&w);
	if (world_open(&w, "b")) {
		check_reason(&w, w.image->root, "its result is no longer in the store");
	}
	world_close(&w);
	world_end(&w);
}

TEST(history_keeps_the_time_of_a_run)
{
	struct world w;
	struct history h;
	struct strbuf text = {.p = (char[]){"a 1\n"}, .n = 4}, other = {.p = (char[]){"a 2\n"}, .n = 4};

	world_new(&w);
	if (world_open(&w, "a")) {
		CHECK_INT(history_read(w.store, "a:root", &h), -ENOENT);
		history_write(w.store, "a:root", &text, 1234);
		history_write(w.store, "a:root", &other, -1);
		CHECK_INT(history_read(w.store, "a:root", &h), 0);
		CHECK_INT(h.ms, 1234);
		CHECK_STR(h.inputs.p, "a 2\n");
		history_free(&h);
	}
	world_close(&w);
	world_end(&w);
}

TEST(time_left_is_of_the_longest_chain_or_of_all_jobs)
{
	struct world w;
	_cleanup_error_ struct error err = {0};
	bool known;

	world_new(&w);
	if (world_open(&w, "a")) {
		w.options.jobs = 2;
		CHECK_INT(graph_mark(w.graph, w.image->outputs, 2, &err), 0);
		CHECK_INT(display_time_left(w.graph, 0, &known), 0);
		CHECK(!known);
		/* One after the other, whatever the number of jobs. */
		w.image->base->last_ms = 5000;
		w.image->root->last_ms = 3000;
		w.image->outputs[1]->last_ms = 1000;
		CHECK_INT(display_time_left(w.graph, 0, &known), 9000);
		CHECK(known);
		/* The first runs since two seconds; then longer than the last time. */
		w.image->base->pid = 1;
		w.image->base->started = 1000;
		CHECK_INT(display_time_left(w.graph, 3000, &known), 7000);
		CHECK_INT(display_time_left(w.graph, 60000, &known), 4000);
		w.image->base->pid = 0;
		world_finish(&w, w.image->base);
		CHECK_INT(display_time_left(w.graph, 0, &known), 4000);
	}
	world_close(&w);
	world_end(&w);
}
