/* What is put into a machine: the volume with the answers, the damaged stick. */
#pragma once

#include "qa/run.h"

/* An ext4 image labelled BULKHEAD_ANS with answers.yaml. */
int medium_answers(struct run *r, const char *text, const char **image, struct error *err);
/*
 * A copy of the medium with one bit of the file on it changed; `where` is FILE+OFFSET,
 * or FILE+-OFFSET counted from its end.
 */
int medium_damage(struct run *r, const char *image, const char *where, const char **copy, struct error *err);
