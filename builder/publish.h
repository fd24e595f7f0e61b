/* From the store to OUT/IMAGE/: what people use. */
#pragma once

#include "builder/graph.h"

/*
 * Puts `name` of the step's result at OUT/IMAGE/<as> (a reflink where the file system can, else a
 * copy that keeps holes): the store's own file is never handed out, it may not change. What is
 * there already, and was not touched since, is left alone. An ISO goes to OUT itself, with the version in its name.
 */
int publish_file(const struct graph *g, const struct step *s, const char *name, const char *as,
		 struct error *err);
/* "NAME-VERSION.iso" for an output NAME.iso; the caller's. */
char *publish_medium_name(const struct graph *g, const char *name);
/* A finished medium, as OUT/NAME-VERSION.iso for an output NAME.iso. */
int publish_medium(const struct graph *g, const struct step *s, const char *name,
		   struct error *err);
/* A root as the folder OUT/IMAGE/<as>, replaced as a whole. */
int publish_folder(const struct graph *g, const struct step *s, const char *as, struct error *err);
