/* One qube that is to be configured: what is asked of qubesd about it, and the steps (ref/distro.md 5.4). */
#pragma once

#include "salt-lite/control/control.h"

enum { QUBE_NAME_MAX = 31 };

struct target {
	char *name, *class, *state;
};

/* One call of the Admin API; its answer is added to *out (may be NULL). 0, or -errno with *err. */
int control_ask(const struct control *c, const char *qube, const char *method, const char *argument, const char *payload,
		struct strbuf *out, struct error *err);
/* The value of a property that names a qube; empty: none. */
int control_property(const struct control *c, const char *qube, const char *property, struct strbuf *value,
		     struct error *err);

/*
 * The state files, the qube's own pillar (YAML) and the engine as a tar archive in memory: its descriptor, at its
 * beginning; or -errno with *err.
 */
int bundle_make(const struct control *c, struct blob pillar, struct error *err);
/* The command for the management qube's shell that applies a bundle, which it reads from stdin, in `target`. */
char *bundle_command(const struct control *c, const char *target);

/* A disposable that is there for one target; the lock keeps a second one of the same name waiting. */
struct management {
	char name[QUBE_NAME_MAX + 1];
	int lock;
	bool made;
};

/* Makes and starts it, and lets it call into the target. */
int management_start(const struct control *c, const struct target *t, struct management *m, struct error *err);
/* Undoes what was done; fine after a failure. */
void management_end(const struct control *c, const struct target *t, struct management *m);
/* Adds the lines to the policy, or takes them out again. */
int management_policy(const struct control *c, const char *from, const char *to, bool allowed, struct error *err);

/* Everything for one qube; prints how it went. Returns the exit code. */
int target_configure(const struct control *c, const struct target *t);
