/* In which wave a staged package goes in, and in which of the two ways. */
#pragma once

#include "builder/root/direct/review.h"
#include "builder/root/workplace.h"

enum { WAVE_ESSENTIAL = -1 };

struct judgement {
	int wave;
	bool dpkg; /* only dpkg may unpack it */
};

/* Parses the control files below `out_dir`/stage in the sandbox; `list` has a place for each
 * package of the lock. */
int judge_packages(const struct workplace *w, const struct review *review, struct judgement *list,
		   struct error *err);
