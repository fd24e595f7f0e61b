/*
 * A source tree of two images, "a" and "b", each of one package; "b" has an overlay. With it an empty store, in which
 * steps can be made to look as if they had run.
 */
#pragma once

#include "builder/graph.h"

struct world {
	char *folder, *store_folder;
	struct graph_options options;
	struct store *store;
	struct graph *graph;
	struct image *image;
};

void world_new(struct world *w);
void world_end(struct world *w);
/* Loads `image` into w->graph; false (and a failed check) when that is wrong. */
bool world_open(struct world *w, const char *image);
/* The same with graph_options.relock. */
bool world_open_with(struct world *w, const char *image, bool relock);
void world_close(struct world *w);

/* Writes a text, which it frees, or the definition and lock of an image. */
void world_write(const char *folder, const char *name, char *text);
void world_image(const char *folder, const char *name, const char *version, const char *more);

/* The day of the index in an image's lock, which is 2026-01-01 at first. */
void world_date_lock(const char *folder, const char *name, const char *date);

/* As if the step had run, without a result, or with one file. */
void world_finish(struct world *w, struct step *s);
void world_finish_with(struct world *w, struct step *s, const char *file, const void *bytes, size_t n);
