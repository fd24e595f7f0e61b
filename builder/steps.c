/* What each kind of step does. Runs in the step's own process. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "builder/graph.h"
#include "builder/image/iso.h"
#include "builder/image/output.h"
#include "builder/package/make.h"
#include "builder/root/direct/review.h"
#include "builder/root/root.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"

static struct step *dep_of_kind(const struct step *s, enum step_kind kind,
				const struct image *image)
{
	for (size_t i = 0; i < s->n_deps; i++)
		if (s->deps[i]->kind == kind && (!image || s->deps[i]->image == image))
			return s->deps[i];
	return NULL;
}

/* Times of files are brought down to the epoch, never up: what a clock behind it makes would differ each time. */
static int check_clock(const struct lock *l, struct error *err)
{
	if (time(NULL) >= lock_epoch(l))
		return 0;
	return error_set(err, -ESTALE, "lock", "set this machine's clock",
			 "its packages are of a day that is yet to come");
}

static int make_packages(struct graph *g, struct step *s, const struct store_entry *e,
			 const char *log, struct error *err)
{
	_cleanup_free_ char *tools = step_result(g, s->deps[0], "root");
	const struct packages_job job = {.source_root = g->options->source_root,
					 .version = g->options->version,
					 .tools_root = tools,
					 .epoch = (uint64_t)lock_epoch(s->deps[0]->image->lock),
					 .out_dir = e->out,
					 .tmp_dir = e->tmp,
					 .log_path = log};
	int r = check_clock(s->deps[0]->image->lock, err);

	return r < 0 ? r : packages_make(&job, err);
}

/* All files of all outputs that this step depends on, as "image/file". */
static struct output_input *collect_inputs(struct graph *g, const struct step *s, struct arena *a,
					   size_t *n)
{
	struct output_input *list = arena_alloc(a, (OUTPUT_FILES_MAX * STEP_DEPS_MAX) * sizeof(*list));

	*n = 0;
	for (size_t i = 0; i < s->n_deps; i++) {
		const struct step *dep = s->deps[i];
		const char *names[OUTPUT_FILES_MAX + 1];

		if (dep->kind != STEP_OUTPUT)
			continue;
		output_files(a, dep->output, names);
		for (const char **name = names; *name; name++) {
			_cleanup_free_ char *path = step_result(g, dep, *name);

			list[(*n)++] = (struct output_input){
				.name = arena_printf(a, "%s/%s", dep->image->definition->name,
						     *name),
				.path = arena_strdup(a, path)};
		}
	}
	return list;
}

static int medium_digests(struct graph *g, const struct step *s, struct strbuf *text, struct error *err)
{
	_cleanup_arena_ struct arena *a = arena_new();
	struct output_job job = {.definition = s->image->medium, .version = g->options->version};

	job.inputs = collect_inputs(g, s, a, &job.n_inputs);
	return iso_digests(&job, text, err);
}

static int make_root(struct graph *g, struct step *s, struct root_job *job, struct error *err)
{
	_cleanup_free_ char *base = step_result(g, s->image->base, "root");
	_cleanup_strv_ struct strv packages = {0};
	_cleanup_strbuf_ struct strbuf digests = {0};
	int r = check_clock(job->lock, err);

	if (r == 0 && s->image->medium)
		r = medium_digests(g, s, &digests, err);
	if (r < 0)
		return r;
	job->medium_digests = strbuf_blob(&digests);

	for (size_t i = 0; i < job->lock->n_locals; i++) {
		_cleanup_free_ char *file = xasprintf("%s.deb", job->lock->locals[i]);

		strv_push_take(&packages, step_result(g, g->packages, file));
	}
	return root_finish(job, base, &packages, err);
}

static uint64_t epoch_of(const struct step *s)
{
	uint64_t newest = 0;

	if (s->image->lock)
		return (uint64_t)lock_epoch(s->image->lock);
	for (size_t i = 0; i < s->n_deps; i++)
		if (s->deps[i]->kind == STEP_OUTPUT && s->deps[i]->image->lock &&
		    (uint64_t)lock_epoch(s->deps[i]->image->lock) > newest)
			newest = (uint64_t)lock_epoch(s->deps[i]->image->lock);
	return newest;
}

static int make_output(struct graph *g, struct step *s, const struct store_entry *e,
		       struct error *err)
{
	const struct output_class *class = output_class(s->output->kind);
	_cleanup_arena_ struct arena *a = arena_new();
	const struct step *root = dep_of_kind(s, STEP_ROOT, s->image),
			  *folder = dep_of_kind(s, STEP_FOLDER, s->image);
	_cleanup_free_ char *root_tar = root ? step_result(g, root, "root.tar") : NULL;
	_cleanup_free_ char *root_dir = folder ? step_result(g, folder, "root") : NULL;
	_cleanup_free_ char *tools = NULL;
	struct output_job job = {.definition = s->image->definition,
				 .output = s->output,
				 .source_root = g->options->source_root,
				 .version = g->options->version,
				 .root_tar = root_tar,
				 .root_dir = root_dir,
				 .epoch = epoch_of(s),
				 .out_dir = e->out,
				 .tmp_dir = e->tmp};

	if (!class->write)
		return error_set(err, -ENOSYS, s->id, NULL,
				 "outputs of kind %s cannot be written yet",
				 output_kind_name(s->output->kind));
	for (size_t i = 0; i < s->n_deps && !tools; i++)
		if (s->deps[i]->kind == STEP_FOLDER && s->deps[i]->image != s->image)
			tools = step_result(g, s->deps[i], "root");
	job.tools_root = tools;
	job.inputs = collect_inputs(g, s, a, &job.n_inputs);
	return class->write(&job, err);
}

static int make_base(struct graph *g, const struct step *s, const struct root_job *job,
		     struct error *err)
{
	_cleanup_free_ char *reviewed = xasprintf("%s/%s", g->options->source_root, REVIEW_FILE);
	struct fetch_options o = g->options->fetch;
	int r = check_clock(job->lock, err);

	if (r < 0)
		return r;
	/* With a status the build's display shows how far it is. */
	o.status = s->fetch_status;
	o.quiet |= o.status != NULL;
	if (!g->options->dpkg)
		return root_base_build_direct(job, &o, reviewed, err);
	r = fetch_lock(&o, s->image->lock, err);
	return r < 0 ? r : root_base_build(job, err);
}

static int make(struct graph *g, struct step *s, const struct store_entry *e, const char *log,
		struct error *err)
{
	struct root_job job = {.cache = g->options->fetch.cache,
			       .out_dir = e->out,
			       .tmp_dir = e->tmp,
			       .log_path = log,
			       .timeout_s = g->options->timeout_s};

	if (s->image) {
		job.definition = s->image->definition;
		job.lock = s->image->lock;
	}
	switch (s->kind) {
	case STEP_PACKAGES:
		return make_packages(g, s, e, log, err);
	case STEP_BASE:
		return make_base(g, s, &job, err);
	case STEP_ROOT:
		return make_root(g, s, &job, err);
	case STEP_FOLDER: {
		_cleanup_free_ char *tar = step_result(g, s->image->root, "root.tar");

		return root_unpack(tar, e->out, err);
	}
	case STEP_OUTPUT:
		return make_output(g, s, e, err);
	}
	return -EINVAL;
}

int step_make(struct graph *g, struct step *s, struct error *err)
{
	_cleanup_free_ char *log = xasprintf("%s/log/%s", store_path(g->store), s->id);
	struct store_entry e;
	int r = mkdir_parents(AT_FDCWD, log, 0755);

	if (r < 0)
		return error_errno(err, r, log, "cannot make its folder");
	for (char *p = strrchr(log, '/'); *p; p++)
		if (*p == ':')
			*p = '-';
	r = store_begin(g->store, s->key, &s->inputs, &e, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = make(g, s, &e, log, err);
	if (r < 0) {
		store_abort(g->store, &e);
		error_prefix(err, s->id);
		if (err && !err->remedy && !faccessat(AT_FDCWD, log, 0, 0))
			err->remedy = xasprintf("see %s", log);
		return r;
	}
	return store_commit(g->store, &e, err);
}
