/*
 * The image's own package sources. They come from the example that the image's apt ships, with the
 * suites and components of the definition, and so never depend on the mirror of who builds. An
 * image without apt gets none.
 */
#pragma once

#include "common/base/error.h"

/* Writes etc/apt/sources.list.d/debian.sources below dirfd; sources.list, if any, goes. */
int apt_sources_write(int dirfd, const char *const *suites, const char *const *components,
		      struct error *err);
