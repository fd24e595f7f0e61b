/* What came of the scenarios: JUnit XML for machines, the summary line for everyone. */
#pragma once

#include <stdint.h>

#include "common/base/error.h"

struct result {
	const char *scenario;
	int64_t ms;
	char *failure; /* NULL: passed */
};

/* Writes `path`; text is escaped and stripped of control characters. */
int report_junit(const char *path, const struct result *results, unsigned n, struct error *err);
