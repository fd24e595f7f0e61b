/* A batch of staged packages into the root, in the sandbox: the essential set, or a wave (builder/root/plan.h). */
#pragma once

#include "builder/root/direct/judge.h"

/*
 * Puts in what is not for dpkg, with its part of the database. A package that turns out to need
 * dpkg after all (it brings what is there already, or what is diverted) gets `dpkg` set. Of the
 * essential set, files of those for dpkg go in as well, without which no dpkg runs.
 */
int batch_merge(const struct workplace *w, int wave, struct judgement *list, struct error *err);
/* After the last one. */
int batch_settle(const struct workplace *w, const struct judgement *list, struct error *err);
