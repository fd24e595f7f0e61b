/*
 * Takes out of a finished root what time, chance and the building machine left in it, so that the
 * same packages give the same bytes and no two machines share a secret. What is taken and why is
 * one table: builder/root/normalise.c.
 */
#pragma once

#include <stdint.h>

#include "common/base/error.h"

struct normalise_options {
	uint64_t epoch;
	/* For the image's own package sources: suites and components of its definition. */
	const char *const *suites, *const *components;
};

/* Works on the tree below dirfd, never through a link. For use in the sandbox. */
int normalise_root(int dirfd, const struct normalise_options *o, struct error *err);
