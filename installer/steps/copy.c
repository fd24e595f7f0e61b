#include <fcntl.h>

#include "installer/copy.h"
#include "installer/run.h"

static void count(void *data, uint64_t bytes)
{
	install_progress_add(data, bytes);
}

int step_copy(struct install *in, struct error *err)
{
	const struct plan_places *places = &in->plan->places;
	_cleanup_close_ int from = open(places->source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int to = open(places->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct copy_watch watch = {count, in};
	uint64_t bytes;
	int r;

	if (from < 0)
		return error_errno(err, -errno, places->source, "cannot open");
	if (to < 0)
		return error_errno(err, -errno, places->target, "cannot open");
	r = copy_measure(from, ".", &bytes, err);
	if (r < 0)
		return r;
	install_progress_total(in, bytes);
	return copy_tree(from, to, &watch, err);
}
