/* What a person would look at first when a scenario has failed, kept in the run's folder. docs/qa.md names the files. */
#pragma once

#include "qa/run.h"

/* `step` is the one that failed: where no shell has answered since the machine started, the next login of the scenario is tried. */
void examine(struct run *r, const struct yaml_node *step);
