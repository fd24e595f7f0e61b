/*
 * What a build was made from, by hash:
 *
 *     bulkhead-build-info 1
 *     image dom0
 *     version 0.1.0
 *     result root.erofs SHA256
 *     step dom0:base KEY
 *     	base 1
 *     	package base-files 13.8 amd64 SHA256
 *
 * All steps that the goals stand on, each after those it needs. A key is the SHA-256 of the lines
 * under it, each without its tab: anybody can compute it again.
 */
#pragma once

#include "builder/graph.h"

struct build_info_result {
	const char *name;
	char sha256[SHA256_HEX];
};

struct build_info {
	const char *image, *version;
	const struct build_info_result *results;
	size_t n_results;
};

void build_info_format(const struct graph *g, const struct build_info *b, struct step *const *goals, size_t n,
		       struct strbuf *text);
bool build_info_is(struct blob text);
/* What differs, as inputs_differences says it, with the step's id before each. */
void build_info_differences(struct blob before, struct blob now, struct strv *sentences);
