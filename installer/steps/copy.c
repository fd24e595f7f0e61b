#include <fcntl.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "installer/digests.h"
#include "installer/run.h"

struct copying {
	struct install *in;
	FILE *digests;
};

static void count(void *data, uint64_t bytes)
{
	const struct copying *c = data;

	install_progress_add(c->in, bytes);
}

static int note_digest(void *data, const char *path, const char hex[SHA256_HEX])
{
	const struct copying *c = data;

	return digests_write(c->digests, path, hex);
}

static int measure(struct install *in, int from, struct error *err)
{
	uint64_t bytes;
	int r = copy_measure(from, ".", &bytes, err);

	if (r == 0)
		install_progress_total(in, bytes);
	return r;
}

int step_copy(struct install *in, struct error *err)
{
	const struct plan_places *places = &in->plan->places;
	_cleanup_close_ int from = open(places->source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int to = open(places->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *list = install_path(in, DIGESTS_FILE);
	_cleanup_fclose_ FILE *digests = NULL;
	struct copying c = {.in = in};
	const struct copy_watch watch = {.add = count, .digest = note_digest, .data = &c, .again = in->again};
	int r;

	if (from < 0)
		return error_errno(err, -errno, places->source, "cannot open");
	if (to < 0)
		return error_errno(err, -errno, places->target, "cannot open");
	r = measure(in, from, err);
	if (r < 0)
		return r;
	r = mkdir_parents(AT_FDCWD, list, 0755);
	if (r < 0)
		return error_errno(err, r, list, "cannot create the folder of");
	digests = c.digests = fopen(list, "we");
	if (!digests)
		return error_errno(err, -errno, list, "cannot create");
	r = copy_tree(from, to, &watch, err);
	if (r == 0 && (fflush(digests) || ferror(digests)))
		r = error_errno(err, -EIO, list, "cannot write");
	return r;
}

int step_compare(struct install *in, struct error *err)
{
	_cleanup_close_ int from = open(in->plan->places.source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *list = install_path(in, DIGESTS_FILE);
	const struct copy_watch watch = {.add = install_count, .data = in};
	int r = from < 0 ? error_errno(err, -errno, in->plan->places.source, "cannot open") : measure(in, from, err);

	return r < 0 ? r : digests_compare(list, in->plan->places.target, &watch, err);
}
