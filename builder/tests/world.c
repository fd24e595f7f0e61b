/* A source tree and a store for tests. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "builder/tests/world.h"
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

void world_write(const char *folder, const char *name, char *text)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", folder, name);

	CHECK_INT(mkdir_parents(AT_FDCWD, path, 0755), 0);
	CHECK_INT(write_file(AT_FDCWD, path, text, strlen(text), 0644), 0);
	free(text);
}

void world_image(const char *folder, const char *name, const char *version, const char *more)
{
	_cleanup_free_ char *yaml = xasprintf("templates/%s.yaml", name);
	_cleanup_free_ char *lock_name = xasprintf("templates/%s.lock", name);

	world_write(folder, yaml, xasprintf(definition, name, more));
	world_write(folder, lock_name, xasprintf(lock, name, hash, hash, version, hash));
}

void world_date_lock(const char *folder, const char *name, const char *date)
{
	_cleanup_free_ char *path = xasprintf("%s/templates/%s.lock", folder, name);
	_cleanup_strbuf_ struct strbuf text = {0};
	char *place;

	CHECK_INT(read_file(AT_FDCWD, path, 4096, &text), 0);
	place = text.n ? strstr(text.p, "2026-01-01") : NULL;
	if (CHECK(place && strlen(date) == strlen("2026-01-01"))) {
		memcpy(place, date, strlen(date));
		CHECK_INT(write_file(AT_FDCWD, path, text.p, text.n, 0644), 0);
	}
}

bool world_open(struct world *w, const char *image)
{
	return world_open_with(w, image, false);
}

bool world_open_with(struct world *w, const char *image, bool relock)
{
	_cleanup_error_ struct error err = {0};

	w->options =
		(struct graph_options){.source_root = w->folder, .version = "1", .relock = relock, .quiet = true};
	if (store_open(w->store_folder, &w->store, &err) < 0)
		return CHECK(false);
	w->graph = graph_new(&w->options, w->store);
	if (graph_add_image(w->graph, image, &w->image, &err) < 0) {
		error_print("graph", &err);
		return CHECK(false);
	}
	return true;
}

void world_close(struct world *w)
{
	graph_free(w->graph);
	store_close(w->store);
}

void world_finish_with(struct world *w, struct step *s, const char *file, const void *bytes, size_t n)
{
	_cleanup_error_ struct error err = {0};
	struct store_entry e;

	CHECK_INT(graph_resolve(w->graph, s, &err), 0);
	CHECK(s->known);
	if (store_begin(w->store, s->key, &s->inputs, &e, &err) == 0) {
		_cleanup_free_ char *to = file ? xasprintf("%s/%s", e.out, file) : NULL;

		if (file)
			CHECK_INT(write_file(AT_FDCWD, to, bytes, n, 0644), 0);
		CHECK_INT(store_commit(w->store, &e, &err), 0);
	}
	s->present = store_has(w->store, s->key);
}

void world_new(struct world *w)
{
	w->folder = xstrdup(test_dir());
	w->store_folder = xstrdup(test_dir());
	world_write(w->folder, "builder/root/direct/reviewed", xstrdup("# none\n"));
	world_image(w->folder, "a", "1.0", "");
	world_image(w->folder, "b", "1.0", "overlay: b.overlay\n");
	world_write(w->folder, "templates/b.overlay/etc/x", xstrdup("one"));
}

void world_end(struct world *w)
{
	free(w->folder);
	free(w->store_folder);
}

void world_finish(struct world *w, struct step *s)
{
	world_finish_with(w, s, NULL, NULL, 0);
}
