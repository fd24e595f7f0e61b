/* Which step, and what in it, put a path into an image. */
#pragma once

#include "builder/graph.h"

struct reason {
	const char *kind;   /* "overlay", "our package", "package", "script", "result" */
	const char *name;   /* of the package, or a path of the source tree */
	const char *detail; /* version, source, what the step does; or "" */
};

enum { WHY_MAX = 64 };

/*
 * What is there now comes first, then what it replaced. At least one; all in the arena.
 * -ENOENT: the image has no such path, or is not built: err says which.
 */
int why(struct graph *g, struct image *image, const char *path, struct arena *a, struct reason list[WHY_MAX],
	size_t *n, struct error *err);
