/*
 * What came of scenarios. Each leaves result.json in its folder; JUnit XML for machines and one HTML page for people
 * are made of these, with whatever screenshots lie beside them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/error.h"

struct result_step {
	const char *label;
	int64_t ms;
	bool failed;
	struct result_step *next;
};

struct result {
	const char *scenario;
	int64_t ms;
	const char *failure; /* NULL: passed */
	struct result_step *steps, **last;
};

/* Both copy what they are given into the arena. */
void result_begin(struct result *r, struct arena *a, const char *scenario);
void result_add_step(struct result *r, struct arena *a, const char *label, int64_t ms, bool failed);

int result_write(const char *path, const struct result *r, struct error *err);
/* *r has the scenario's name already; a file that is not there or makes no sense is a failure of that scenario. */
void result_read(struct arena *a, const char *path, struct result *r);

/* Writes `path`; text is escaped and stripped of control characters. */
int report_junit(const char *path, const struct result *results, unsigned n, struct error *err);
/* Writes DIR/report.html: summary, and for each scenario its phases, their times and DIR/SCENARIO/'s screenshots. */
int report_html(const char *dir, const struct result *results, unsigned n, struct error *err);
