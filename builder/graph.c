#include "builder/graph.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "builder/image/output.h"
#include "builder/lock/resolve.h"
#include "builder/package/make.h"
#include "builder/root/direct/review.h"
#include "builder/root/root.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"

static const char tools_image[] = "tools-image", tools_build[] = "tools-build";

struct graph *graph_new(const struct graph_options *o, struct store *s)
{
	struct graph *g = xcalloc(1, sizeof(*g));

	g->options = o;
	g->store = s;
	g->arena = arena_new();
	return g;
}

void graph_free(struct graph *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->n_steps; i++) {
		free(g->steps[i]->id);
		free(g->steps[i]->sentence);
		free(g->steps[i]->reason);
		if (g->steps[i]->fetch_status)
			munmap(g->steps[i]->fetch_status, sizeof(struct fetch_status));
		strbuf_free(&g->steps[i]->inputs);
		free(g->steps[i]);
	}
	for (size_t i = 0; i < g->n_images; i++) {
		definition_free(g->images[i]->definition);
		definition_free(g->images[i]->medium);
		lock_free(g->images[i]->lock);
		free(g->images[i]->outputs);
		free(g->images[i]);
	}
	arena_free(g->arena);
	free(g);
}

/* Takes the texts over. */
static struct step *add_step(struct graph *g, enum step_kind kind, struct image *image, char *id,
			     char *sentence)
{
	struct step *s = xcalloc(1, sizeof(*s));

	if (g->n_steps == GRAPH_STEPS_MAX)
		abort(); /* cannot be: images, and outputs of each, are bounded before */
	s->kind = kind;
	s->image = image;
	s->id = id;
	s->sentence = sentence;
	s->report_fd = s->pid_fd = -1;
	g->steps[g->n_steps++] = s;
	return s;
}

static void add_dep(struct step *s, struct step *on)
{
	for (size_t i = 0; i < s->n_deps; i++)
		if (s->deps[i] == on)
			return;
	if (s->n_deps == STEP_DEPS_MAX)
		abort();
	s->deps[s->n_deps++] = on;
}

static int add_packages(struct graph *g, struct error *err)
{
	struct image *tools;
	int r;

	if (g->packages)
		return 0;
	r = graph_add_image(g, tools_build, &tools, err);
	if (r < 0)
		return r;
	g->packages = add_step(g, STEP_PACKAGES, NULL, xstrdup("packages"),
			       xstrdup("compile our own packages"));
	add_dep(g->packages, tools->folder);
	return 0;
}

/* The step that makes "image/file" of another image, which is added with all it needs. */
static int find_maker(struct graph *g, const char *source, struct step **out, struct error *err)
{
	const char *slash = strchr(source, '/');
	_cleanup_free_ char *name = xstrndup(source, (size_t)(slash - source));
	struct image *other;
	int r = graph_add_image(g, name, &other, err);

	for (size_t i = 0; r == 0 && i < other->definition->n_outputs; i++) {
		const char *names[OUTPUT_FILES_MAX + 1];

		output_files(g->arena, &other->definition->outputs[i], names);
		for (const char **n = names; *n; n++)
			if (!strcmp(*n, slash + 1)) {
				*out = other->outputs[i];
				return 0;
			}
	}
	return r < 0 ? r : error_set(err, -EINVAL, source, NULL, "no output of image %s is that", name);
}

/* What the medium takes from other images stands before the root that holds its digests. */
static int find_medium_makers(struct graph *g, struct image *image, struct step **makers, size_t *n, struct error *err)
{
	_cleanup_free_ char *path = NULL, *own = xasprintf("%s/", image->definition->name);
	int r;

	*n = 0;
	if (!image->definition->medium)
		return 0;
	r = definition_find(g->options->source_root, image->definition->medium, &path, err);
	if (r == 0)
		r = definition_read(path, &image->medium, err);
	for (size_t i = 0; r == 0 && i < image->medium->n_files; i++) {
		const char *source = image->medium->files[i].source;

		if (!strchr(source, '/') || blob_has_prefix(blob_of(source), own))
			continue;
		if (*n == DEFINITION_OUTPUTS_MAX * DEFINITION_IMAGES_MAX)
			return error_set(err, -E2BIG, path, NULL, "too many files");
		r = find_maker(g, source, &makers[(*n)++], err);
	}
	return r;
}

static int add_root_steps(struct graph *g, struct image *image, struct error *err)
{
	const char *name = image->definition->name;
	bool ours = *image->definition->runtime;
	struct step *makers[DEFINITION_OUTPUTS_MAX * DEFINITION_IMAGES_MAX];
	size_t n_makers;
	int r = ours ? add_packages(g, err) : 0;

	if (r == 0)
		r = find_medium_makers(g, image, makers, &n_makers, err);
	if (r < 0)
		return r;
	image->base = add_step(g, STEP_BASE, image, xasprintf("%s:base", name),
			       xasprintf("install %zu packages", image->lock->n_packages));
	image->root = add_step(g, STEP_ROOT, image, xasprintf("%s:root", name),
			       xstrdup("add our packages and overlay, normalise, archive"));
	add_dep(image->root, image->base);
	if (ours)
		add_dep(image->root, g->packages);
	for (size_t i = 0; i < n_makers; i++)
		add_dep(image->root, makers[i]);
	image->folder = add_step(g, STEP_FOLDER, image, xasprintf("%s:folder", name),
				 xstrdup("unpack the root"));
	add_dep(image->folder, image->root);
	return 0;
}

static int add_output_step(struct graph *g, struct image *image, const struct definition_output *o,
			   struct step **out, struct error *err)
{
	const struct output_needs *needs = &output_class(o->kind)->needs;
	const struct definition *d = image->definition;
	struct image *tools = NULL, *other;
	struct step *s;
	int r = 0;

	if (o->kind == OUTPUT_DIR || o->kind == OUTPUT_TAR) {
		*out = o->kind == OUTPUT_DIR ? image->folder : image->root;
		return 0;
	}
	if (needs->tools)
		r = graph_add_image(g, tools_image, &tools, err);
	if (r < 0)
		return r;
	/* An ISO takes what other images have made; they stand before it. */
	for (const char *const *name = d->images; r == 0 && *name; name++)
		r = graph_add_image(g, *name, &other, err);
	if (r < 0)
		return r;
	s = add_step(g, STEP_OUTPUT, image, xasprintf("%s:%s", d->name, o->name),
		     xasprintf("write %s (%s)", o->name, output_kind_name(o->kind)));
	s->output = o;
	if (needs->root_tar && image->root)
		add_dep(s, image->root);
	if (needs->root_dir && image->folder)
		add_dep(s, image->folder);
	if (tools)
		add_dep(s, tools->folder);
	for (const char *const *name = d->images; *name; name++) {
		r = graph_add_image(g, *name, &other, err); /* finds the one from above */
		for (size_t i = 0; r == 0 && i < other->definition->n_outputs; i++)
			add_dep(s, other->outputs[i]);
	}
	*out = s;
	return r;
}

int graph_check_lock(const struct graph *g, const struct image *image, struct error *err)
{
	const struct lock_options check = {.source_root = g->options->source_root,
					   .version = g->options->version};
	_cleanup_free_ char *path = lock_path_of(image->definition);

	if (!image->lock->n_packages)
		return error_set(err, -ENOENT, path,
				 "make it with 'bulkhead lock' or build with --relock",
				 "there is no lock for this image");
	return lock_check(image->definition, &check, image->lock, err);
}

static int read_lock(struct graph *g, struct image *image, struct error *err)
{
	_cleanup_free_ char *path = lock_path_of(image->definition);
	int r = lock_read(path, &image->lock, err);

	if (r == -ENOENT)
		image->lock = lock_new(image->definition->name, "amd64");
	else if (r < 0)
		return r;
	if (strcmp(image->lock->image, image->definition->name) != 0)
		return error_set(err, -EINVAL, path, NULL, "is the lock of image %s",
				 image->lock->image);
	return g->options->relock ? 0 : graph_check_lock(g, image, err);
}

static int add_image_steps(struct graph *g, struct image *image, struct error *err)
{
	int r = 0;

	image->outputs = xcalloc(image->definition->n_outputs + 1, sizeof(struct step *));
	if (image->definition->family == DEFINITION_DEB) {
		r = read_lock(g, image, err);
		if (r == 0)
			r = add_root_steps(g, image, err);
	}
	for (size_t i = 0; r == 0 && i < image->definition->n_outputs; i++)
		r = add_output_step(g, image, &image->definition->outputs[i], &image->outputs[i],
				    err);
	return r;
}

static int load_image(struct graph *g, struct image *image, const char *path, struct error *err)
{
	_cleanup_free_ char *absolute = realpath(path, NULL);
	int r = definition_read(absolute ? absolute : path, &image->definition, err);

	if (r < 0)
		return r;
	image->loading = true;
	r = add_image_steps(g, image, err);
	image->loading = false;
	return r;
}

int graph_add_image(struct graph *g, const char *image, struct image **out, struct error *err)
{
	_cleanup_free_ char *path = NULL;
	struct image *new;
	int r;

	for (size_t i = 0; i < g->n_images; i++) {
		const struct definition *d = g->images[i]->definition;

		if (!d || (strcmp(d->name, image) != 0 && strcmp(d->path, image) != 0))
			continue;
		if (g->images[i]->loading)
			return error_set(err, -ELOOP, d->path, NULL, "is needed by what it needs");
		*out = g->images[i];
		return 0;
	}
	if (g->n_images == GRAPH_IMAGES_MAX)
		return error_set(err, -E2BIG, image, NULL, "one build holds %d images at most",
				 GRAPH_IMAGES_MAX);
	r = definition_find(g->options->source_root, image, &path, err);
	if (r < 0)
		return r;
	new = xcalloc(1, sizeof(*new));
	g->images[g->n_images++] = new;
	*out = new;
	return load_image(g, new, path, err);
}

int graph_add_output(struct graph *g, struct image *image, const char *name, enum output_kind kind,
		     struct step **out, struct error *err)
{
	static const char *const none[] = {NULL};
	struct definition_output *o = arena_alloc(g->arena, sizeof(*o));

	*o = (struct definition_output){
		.name = arena_strdup(g->arena, name), .kind = kind, .args = none, .modules = none};
	return add_output_step(g, image, o, out, err);
}

static uint64_t image_epoch(const struct graph *g, const struct image *image)
{
	uint64_t newest = image->lock ? (uint64_t)lock_epoch(image->lock) : 0;

	if (image->lock)
		return newest;
	for (size_t i = 0; i < g->n_images; i++)
		for (const char *const *name = image->definition->images; *name; name++)
			if (g->images[i]->lock && !strcmp(g->images[i]->definition->name, *name) &&
			    (uint64_t)lock_epoch(g->images[i]->lock) > newest)
				newest = (uint64_t)lock_epoch(g->images[i]->lock);
	return newest;
}

/* The way of unpacking is part of the key, so that each way is seen to give the same. */
static int direct_inputs(const struct graph *g, struct strbuf *t, struct error *err)
{
	_cleanup_free_ char *reviewed = xasprintf("%s/%s", g->options->source_root, REVIEW_FILE);
	char hex[SHA256_HEX];
	int r;

	if (g->options->dpkg)
		return 0;
	r = sha256_file(AT_FDCWD, reviewed, hex, NULL);
	if (r < 0)
		return error_errno(err, r, reviewed, "cannot read");
	store_input_number(t, "direct", ROOT_DIRECT_REVISION);
	store_input(t, "reviewed", hex);
	return 0;
}

static void base_inputs(const struct image *image, struct strbuf *t)
{
	const struct lock *l = image->lock;

	store_input_number(t, "epoch", (unsigned long long)lock_epoch(l));
	for (size_t i = 0; i < l->n_packages; i++) {
		strbuf_printf(t, "package %s %s %s %s\n", l->packages[i].name,
			      l->packages[i].version, l->packages[i].arch, l->packages[i].sha256);
	}
}

static int root_inputs(const struct graph *g, const struct image *image, struct strbuf *t,
		       struct error *err)
{
	const struct definition *d = image->definition;
	char hex[SHA256_HEX];
	int r;

	store_input_number(t, "epoch", (unsigned long long)lock_epoch(image->lock));
	for (const char *const *w = d->suites; *w; w++)
		store_input(t, "suite", *w);
	for (const char *const *w = d->components; *w; w++)
		store_input(t, "component", *w);
	for (size_t i = 0; image->medium && i < image->medium->n_files; i++)
		strbuf_printf(t, "medium %s %s\n", image->medium->files[i].path, image->medium->files[i].source);
	/* By content: this is where a change that changes nothing ends. */
	for (size_t i = 0; i < image->lock->n_locals; i++) {
		_cleanup_free_ char *file = xasprintf("%s.deb", image->lock->locals[i]);
		_cleanup_free_ char *path = store_entry_path(g->store, g->packages->key, file);

		r = sha256_file(AT_FDCWD, path, hex, NULL);
		if (r == -EACCES)
			return error_set(err, r, image->lock->locals[i], "use sudo", "it was made by another user");
		if (r < 0)
			return error_set(err, r, image->lock->locals[i], "see runtime/packages",
					 "there is no such package of ours");
		strbuf_printf(t, "local %s %s\n", image->lock->locals[i], hex);
	}
	if (d->overlay) {
		_cleanup_free_ char *path = xasprintf("%s/%s", d->folder, d->overlay);

		r = store_tree_digest(AT_FDCWD, path, hex);
		if (r < 0)
			return error_errno(err, r, path, "cannot read the overlay");
		store_input(t, "overlay", hex);
	}
	return 0;
}

static int output_inputs(const struct graph *g, const struct step *s, struct strbuf *t,
			 struct error *err)
{
	const struct definition_output *o = s->output;
	const struct definition *d = s->image->definition;

	store_input(t, "kind", output_kind_name(o->kind));
	store_input(t, "name", o->name);
	store_input(t, "image", d->name);
	store_input_number(t, "epoch", image_epoch(g, s->image));
	store_input_number(t, "size", o->size);
	store_input_number(t, "verity", o->verity);
	store_input(t, "path", o->path ? o->path : "-");
	store_input(t, "label", o->label ? o->label : "-");
	store_input(t, "init", o->init ? o->init : "-");
	store_input(t, "volume", o->volume ? o->volume : "-");
	store_input(t, "compress", o->compress ? o->compress : "-");
	for (const char *const *w = o->args; *w; w++)
		store_input(t, "arg", *w);
	for (const char *const *w = o->modules; *w; w++)
		store_input(t, "module", *w);
	if (d->family != DEFINITION_ISO)
		return 0;
	store_input(t, "version", g->options->version);
	for (size_t i = 0; i < d->n_files; i++)
		strbuf_printf(t, "file %s %s\n", d->files[i].path, d->files[i].source);
	/* Files beside the definition are named in its own folder: all of it counts. */
	char hex[SHA256_HEX];
	int r = store_tree_digest(AT_FDCWD, d->folder, hex);

	store_input(t, "folder", r < 0 ? "-" : hex);
	return r < 0 ? error_errno(err, r, d->folder, "cannot read") : 0;
}

/* Everything the step's result depends on, but for the keys of other steps. */
static int own_inputs(const struct graph *g, const struct step *s, struct strbuf *t,
		      struct error *err)
{
	switch (s->kind) {
	case STEP_PACKAGES:
		store_input_number(t, "packages", PACKAGES_REVISION);
		store_input(t, "version", g->options->version);
		return packages_inputs(g->options->source_root, t, err);
	case STEP_BASE:
		store_input_number(t, "base", ROOT_BASE_REVISION);
		base_inputs(s->image, t);
		return direct_inputs(g, t, err);
	case STEP_ROOT:
		store_input_number(t, "root", ROOT_FINISH_REVISION);
		return root_inputs(g, s->image, t, err);
	case STEP_FOLDER:
		store_input_number(t, "folder", ROOT_FOLDER_REVISION);
		return 0;
	case STEP_OUTPUT:
		store_input_number(t, "output", output_class(s->output->kind)->needs.revision);
		return output_inputs(g, s, t, err);
	}
	return -EINVAL;
}

int graph_resolve(struct graph *g, struct step *s, struct error *err)
{
	_cleanup_strbuf_ struct strbuf t = {0};
	int r;

	if (s->present)
		return 0;
	if (s->known) {
		s->present = store_has(g->store, s->key);
		return 0;
	}
	for (size_t i = 0; i < s->n_deps; i++) {
		r = graph_resolve(g, s->deps[i], err);
		if (r < 0)
			return r;
		if (!s->deps[i]->known ||
		    (s->deps[i]->kind == STEP_PACKAGES && !s->deps[i]->present))
			return 0;
	}
	r = own_inputs(g, s, &t, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < s->n_deps; i++)
		if (s->deps[i]->kind != STEP_PACKAGES)
			strbuf_printf(&t, "step %s %s\n", s->deps[i]->id, s->deps[i]->key);
	store_key(&t, s->key);
	s->inputs = t;
	t = (struct strbuf){0};
	s->known = true;
	s->present = store_has(g->store, s->key);
	return 0;
}

static int mark(struct graph *g, struct step *s, struct error *err)
{
	int r = graph_resolve(g, s, err);

	if (r < 0 || s->present || s->needed)
		return r;
	s->needed = true;
	for (size_t i = 0; r == 0 && i < s->n_deps; i++)
		r = mark(g, s->deps[i], err);
	return r;
}

int graph_mark(struct graph *g, struct step *const *goals, size_t n, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < g->n_steps; i++)
		g->steps[i]->needed = false;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = mark(g, goals[i], err);
	return r;
}

char *step_result(const struct graph *g, const struct step *s, const char *name)
{
	return store_entry_path(g->store, s->key, name);
}
