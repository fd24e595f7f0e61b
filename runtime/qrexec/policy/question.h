#pragma once
/* What the policy agent reads (policy.Ask, policy.Notify: ref runtime.md 3.8), made safe to be shown. */
#include <stdbool.h>

#include "common/base/blob.h"
#include "common/base/strv.h"

struct question {
	bool notification;
	char *source, *service; /* with its argument, when there is one; a long one says how long it is */
	struct strv targets;
	char *default_target; /* "" */
	char *resolution, *target; /* of a notification */
};

/* `request`: the service's descriptor, NUL, JSON. False for anything else. Release with question_free() in both cases. */
bool question_parse(struct blob request, struct question *q);
void question_free(struct question *q);
