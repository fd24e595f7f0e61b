#include "builder/lock/tools_root.h"

#include <string.h>

#include "builder/graph.h"
#include "common/base/alloc.h"

int lock_tools_root(const struct fetch_options *fetch, const char *source_root, const char *version,
		    struct store *store, char **root, struct error *err)
{
	_cleanup_free_ char *out = xasprintf("%s/out", source_root);
	const struct graph_options o = {.source_root = source_root,
					.version = version,
					.out = out,
					.fetch = *fetch,
					.jobs = 1,
					.quiet = fetch->quiet};
	_cleanup_graph_ struct graph *g = graph_new(&o, store);
	struct image *image;
	int r;

	if ((r = graph_add_image(g, "tools-image", &image, err)) < 0 ||
	    (r = graph_run(g, &image->folder, 1, err)) < 0)
		return r;
	*root = step_result(g, image->folder, "root");
	return 0;
}
