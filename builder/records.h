/*
 * What a build says about itself, beside its results: manifest, packages.spdx.json and build-info
 * in OUT/IMAGE/; for a medium also OUT/SHA256SUMS, over the medium and all of these. Made again only
 * when what they are about is another.
 */
#pragma once

#include "builder/graph.h"

struct records {
	const struct graph *graph;
	struct image *image;
	struct step *const *goals; /* all present, and so are the roots of all images they are from */
	size_t n_goals;
	const char *medium; /* file name in OUT of the medium, or NULL */
	const char *key;    /* secret key that signs SHA256SUMS, or NULL */
};

int records_write(const struct records *r, struct error *err);
