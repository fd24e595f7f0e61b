/* --relock: an image whose locked packages cannot be had any more gets a new lock, in out/, never
 * in the tree. */
#pragma once

#include "builder/graph.h"

/*
 * For each image of the graph whose base is neither in the store nor can be fetched with its lock
 * (or that has no lock): resolves anew, writes OUT/lock/IMAGE.lock, prints the difference and uses
 * it. Before any other step is run. Images that are not tools are resolved by the apt of
 * tools-image, which is made first when it is needed.
 */
int relock_images(struct graph *g, struct error *err);

/*
 * For commands that look at what was built: an image that is not in the store by its own lock, but is by the one that
 * an earlier build left in OUT/lock/, takes that. Errors as graph_check_lock().
 */
int relock_recall(struct graph *g, struct error *err);
