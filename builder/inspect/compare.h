/*
 * What differs between two builds: manifests member by member, build infos input by input. Each side
 * is a manifest, a build-info, a tar stream, an ISO 9660 image, or a folder; a folder with records of
 * a build (OUT/IMAGE) stands for these, any other for what is in it.
 */
#pragma once

#include "builder/manifest.h"
#include "common/base/strv.h"

struct compare_side {
	const char *path;
	struct manifest manifest;
	bool has_manifest;
	struct strbuf build_info; /* empty: none */
};

struct difference {
	char sign;	   /* '-' only in the first, '+' only in the second, '~' in both, '*' an input */
	const char *where; /* a path, or "" */
	const char *what;  /* "mode 0644 -> 0755, content", or the input's sentence */
};

struct differences {
	struct difference *list;
	size_t n;
};

int compare_read(struct arena *a, const char *path, struct compare_side *s, struct error *err);
void compare_end(struct compare_side *s);
/* All in the arena, inputs first, then by path. -EINVAL: the sides have nothing in common to compare. */
int compare_sides(struct arena *a, const struct compare_side *one, const struct compare_side *two,
		  struct differences *out, struct error *err);
