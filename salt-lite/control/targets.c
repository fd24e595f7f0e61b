/* States in qubes. */
#include <stdio.h>

#include "salt-lite/control/control.h"

bool control_has_targets(const struct control *c)
{
	return c->targets || c->all || c->templates || c->standalones || c->app;
}

int control_apply_targets(const struct control *c)
{
	(void)c;
	fprintf(stderr, "qubesctl: states in qubes cannot be applied yet; only dom0 was configured\n");
	return 1;
}
