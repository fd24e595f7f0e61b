/* An image and its place in the store, for commands that look at what was built. */
#pragma once

#include "builder/graph.h"

struct session {
	char *root, *version, *out;
	struct fetch_mirrors mirrors;
	struct graph_options options;
	struct store *store;
	struct graph *graph;
	struct image *image;
};

/* store: NULL for build/store. Ended with session_end, also after an error. */
int session_open(struct session *s, const char *store, const char *image, struct error *err);
void session_end(struct session *s);
