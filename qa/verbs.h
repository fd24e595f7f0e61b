/* What each verb of a scenario does: one function a verb, each 0 or -errno with the cause. docs/qa.md describes them. */
#pragma once

#include "qa/run.h"

/* `text` with ${NAME} replaced from the environment; an unset name is an error at the node. */
int verb_expand(struct run *r, const struct yaml_node *node, const char *text, const char **out, struct error *err);
/* The text at `key`, expanded; *value stays as it is when there is none. */
int verb_argument(struct run *r, const struct yaml_node *args, const char *key, const char **value, struct error *err);

#define VERB(name) int verb_##name(struct run *r, const struct yaml_node *args, struct error *err)
VERB(boot);
VERB(capture);
VERB(checkpoint);
VERB(cut_power);
VERB(event);
VERB(expect);
VERB(login);
VERB(menu);
VERB(qmp);
VERB(restore);
VERB(run);
VERB(screenshot);
VERB(send);
VERB(wait_off);
#undef VERB
