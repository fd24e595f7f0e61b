/*
 * The packages of images as an SPDX 2.3 document in JSON (spdx.github.io/spdx-spec/v2.3): what
 * scanners for known holes read. The same build gives the same bytes: no date but the lock's, and
 * a namespace made from the key of what was built.
 */
#pragma once

#include "builder/graph.h"

struct spdx {
	const struct graph *graph;
	const char *name;	/* of the document: the image's */
	const char *key;	/* of the step that the document is about */
	struct image *const *images; /* each with its packages */
	size_t n_images;
};

/* 0, or -errno with err: a package of ours that cannot be read. */
int spdx_format(const struct spdx *s, struct strbuf *text, struct error *err);
