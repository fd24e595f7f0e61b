/* Scenario files (qa/scenarios/NAME.yaml): what is done to a machine and what must be seen. docs/qa.md lists the verbs. */
#pragma once

#include "common/base/yaml.h"

struct scenario {
	const char *name, *summary, *machine;
	const char *after; /* the scenario whose disks it starts on, or NULL */
	const struct yaml_node *steps, *network; /* network: what is served (qa/network.h), or NULL */
};

int scenario_load(struct arena *a, const char *dir, const char *name, struct scenario *s, struct error *err);

struct run;
/* Runs one step; *label gets its sentence for the log. */
int scenario_step(struct run *r, const struct yaml_node *step, const char **label, struct error *err);
