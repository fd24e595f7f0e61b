#include "builder/records.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "builder/build_info.h"
#include "builder/image/output.h"
#include "builder/manifest.h"
#include "builder/medium/signify.h"
#include "builder/medium/sums.h"
#include "builder/spdx.h"
#include "common/base/alloc.h"
#include "common/sys/file.h"

/* Bump when the same build gives other records. */
enum { RECORDS_REVISION = 2, STAMP_MAX = 64 << 10, RESULTS_MAX = 4 * DEFINITION_OUTPUTS_MAX };

static const char *const names[] = {"manifest", "packages.spdx.json", "build-info"};
enum { MANIFEST, SPDX, BUILD_INFO, NAMES };

/* The records of one image. */
struct set {
	const struct records *records;
	const struct image *image;
	struct step *const *goals;
	size_t n_goals;
	char *folder;
};

static char *path_in(const struct set *s, size_t name)
{
	return xasprintf("%s/%s", s->folder, names[name]);
}

static int write_record(const struct set *s, size_t name, const struct strbuf *text, struct error *err)
{
	_cleanup_free_ char *path = path_in(s, name);
	int r = write_file(AT_FDCWD, path, text->p, text->n, 0644);

	return r < 0 ? error_errno(err, r, path, "cannot write") : 0;
}

static int write_manifest(const struct set *s, struct error *err)
{
	_cleanup_free_ char *tar = step_result(s->records->graph, s->image->root, "root.tar");
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_strbuf_ struct strbuf text = {0};
	struct manifest m;
	int r = manifest_of_archive(a, tar, &m, err);

	if (r < 0)
		return r;
	manifest_format(&m, &text);
	return write_record(s, MANIFEST, &text, err);
}

/* The images that a document about this one is about: itself, or those whose results it takes. */
static size_t images_of(const struct set *s, struct image *list[GRAPH_IMAGES_MAX])
{
	const struct graph *g = s->records->graph;
	size_t n = 0;

	for (size_t i = 0; i < g->n_images; i++) {
		bool part = g->images[i] == s->image;

		for (const char *const *name = s->image->definition->images; *name && !part; name++)
			part = !strcmp(*name, g->images[i]->definition->name);
		if (part)
			list[n++] = g->images[i];
	}
	return n;
}

static int write_spdx(const struct set *s, struct error *err)
{
	struct image *images[GRAPH_IMAGES_MAX];
	const struct spdx document = {.graph = s->records->graph,
				      .name = s->image->definition->name,
				      .key = s->goals[0]->key,
				      .images = images,
				      .n_images = images_of(s, images)};
	_cleanup_strbuf_ struct strbuf text = {0};
	int r = spdx_format(&document, &text, err);

	return r < 0 ? r : write_record(s, SPDX, &text, err);
}

/* A disk of mostly nothing is told by its compressed form and its own manifest. */
static bool is_told_otherwise(const char *name, const char *const *files)
{
	_cleanup_free_ char *compressed = xasprintf("%s.zst", name);

	for (; *files; files++)
		if (!strcmp(*files, compressed))
			return true;
	return false;
}

static int add_results(const struct set *s, struct arena *a, struct step *goal, struct build_info_result *list,
		       size_t *n, struct error *err)
{
	const char *files[OUTPUT_FILES_MAX + 1] = {"root.tar"};

	if (goal->kind == STEP_OUTPUT)
		output_files(a, goal->output, files);
	for (const char *const *file = files; *file && *n < RESULTS_MAX && goal->kind != STEP_FOLDER; file++) {
		_cleanup_free_ char *path = step_result(s->records->graph, goal, *file);
		int r = is_told_otherwise(*file, files) ? 1 : sha256_file(AT_FDCWD, path, list[*n].sha256, NULL);

		if (r < 0)
			return error_errno(err, r, path, "cannot read");
		if (r == 0)
			list[(*n)++].name = arena_strdup(a, *file);
	}
	return 0;
}

static int write_build_info(const struct set *s, struct error *err)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_strbuf_ struct strbuf text = {0};
	struct build_info_result results[RESULTS_MAX];
	struct build_info info = {.image = s->image->definition->name,
				  .version = s->records->graph->options->version,
				  .results = results};
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->n_goals; i++)
		r = add_results(s, a, s->goals[i], results, &info.n_results, err);
	if (r < 0)
		return r;
	build_info_format(s->records->graph, &info, s->goals, s->n_goals, &text);
	return write_record(s, BUILD_INFO, &text, err);
}

static bool has(const struct image *image, size_t name)
{
	return name != MANIFEST || image->root;
}

static bool is_current(const struct set *s, const char *stamp, const struct strbuf *want)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	bool current = read_file(AT_FDCWD, stamp, STAMP_MAX, &text) == 0 && blob_eq(strbuf_blob(&text), strbuf_blob(want));

	for (size_t i = 0; i < NAMES && current; i++) {
		_cleanup_free_ char *path = path_in(s, i);

		current = !has(s->image, i) || faccessat(AT_FDCWD, path, F_OK, 0) == 0;
	}
	return current;
}

/* What went in, all the way: results may be the same bytes though inputs have changed. */
static void stamp_of(const struct set *s, struct strbuf *stamp)
{
	const struct build_info inputs = {.image = s->image->definition->name,
					  .version = s->records->graph->options->version};
	_cleanup_strbuf_ struct strbuf text = {0};
	char hex[SHA256_HEX];

	build_info_format(s->records->graph, &inputs, s->goals, s->n_goals, &text);
	sha256_hex(text.p, text.n, hex);
	strbuf_printf(stamp, "%d\n%s\n", RECORDS_REVISION, hex);
}

static int write_set(const struct set *s, struct error *err)
{
	_cleanup_free_ char *stamp = xasprintf("%s/.records.key", s->folder);
	_cleanup_strbuf_ struct strbuf want = {0};
	int r = mkdir_p(AT_FDCWD, s->folder, 0755);

	stamp_of(s, &want);
	if (r < 0)
		return error_errno(err, r, s->folder, "cannot make it");
	if (is_current(s, stamp, &want))
		return 0;
	if ((has(s->image, MANIFEST) && (r = write_manifest(s, err)) < 0) || (r = write_spdx(s, err)) < 0 ||
	    (r = write_build_info(s, err)) < 0)
		return r;
	r = write_file(AT_FDCWD, stamp, want.p, want.n, 0644);
	return r < 0 ? error_errno(err, r, stamp, "cannot write") : 0;
}

static int add_sum(const char *out, const char *name, struct strbuf *text, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", out, name);
	char hex[SHA256_HEX];
	int r = sha256_file(AT_FDCWD, path, hex, NULL);

	if (r < 0)
		return error_errno(err, r, path, "cannot read");
	sums_add(text, hex, name);
	return 0;
}

/* A signature of another list would be worse than none. */
static int write_sums(const struct records *q, const struct strbuf *text, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("%s/" SUMS_NAME, q->graph->options->out),
			    *signature = xasprintf("%s.sig", path);
	_cleanup_strbuf_ struct strbuf there = {0};
	int r = 0;

	if (read_file(AT_FDCWD, path, STAMP_MAX, &there) < 0 || !blob_eq(strbuf_blob(&there), strbuf_blob(text))) {
		if (unlink(signature) < 0 && errno != ENOENT)
			return error_errno(err, -errno, signature, "cannot remove the signature of the last list");
		r = write_file(AT_FDCWD, path, text->p, text->n, 0644);
	}
	if (r < 0)
		return error_errno(err, r, path, "cannot write");
	return q->key ? signify_sign(q->key, path, err) : 0;
}

/* The digest that gets signed is that of what was built: what lies in OUT may be damaged. */
static int add_medium(const struct records *q, struct strbuf *text, struct error *err)
{
	_cleanup_free_ char *there = xasprintf("%s/%s", q->graph->options->out, q->medium), *built = NULL;
	char hex[SHA256_HEX], other[SHA256_HEX];
	int r;

	for (size_t i = 0; i < q->n_goals && !built; i++)
		if (q->goals[i]->kind == STEP_OUTPUT && q->goals[i]->output->kind == OUTPUT_ISO)
			built = step_result(q->graph, q->goals[i], q->goals[i]->output->name);
	if (!built)
		return error_set(err, -ENOENT, q->medium, NULL, "no step makes it");
	if ((r = sha256_file(AT_FDCWD, built, hex, NULL)) < 0)
		return error_errno(err, r, built, "cannot read");
	if ((r = sha256_file(AT_FDCWD, there, other, NULL)) < 0)
		return error_errno(err, r, there, "cannot read");
	if (strcmp(hex, other) != 0)
		return error_set(err, -EBADMSG, there, "remove it and build again", "is not what was built");
	sums_add(text, hex, q->medium);
	return 0;
}

static int sum_medium(const struct records *q, struct image *const *images, size_t n, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	int r = add_medium(q, &text, err);

	for (size_t i = 0; i < n; i++)
		for (size_t name = 0; r == 0 && name < NAMES; name++) {
			_cleanup_free_ char *file =
				xasprintf("%s/%s", images[i]->definition->name, names[name]);

			if (has(images[i], name))
				r = add_sum(q->graph->options->out, file, &text, err);
		}
	return r < 0 ? r : write_sums(q, &text, err);
}

/* All outputs of an image that a medium is made of. */
static int write_part(const struct records *q, struct image *image, struct error *err)
{
	struct set s = {.records = q, .image = image, .goals = image->outputs};
	int r;

	s.n_goals = image->definition->n_outputs;
	s.folder = xasprintf("%s/%s", q->graph->options->out, image->definition->name);
	if (image == q->image || !s.n_goals) {
		s.goals = q->goals;
		s.n_goals = q->n_goals;
	}
	r = write_set(&s, err);
	free(s.folder);
	return r;
}

int records_write(const struct records *q, struct error *err)
{
	struct image *images[GRAPH_IMAGES_MAX];
	const struct set all = {.records = q, .image = q->image};
	size_t n = images_of(&all, images);
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = write_part(q, images[i], err);
	return r == 0 && q->medium ? sum_medium(q, images, n, err) : r;
}
