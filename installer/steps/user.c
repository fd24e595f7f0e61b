#include "installer/account.h"
#include "installer/run.h"

/* root stays locked, as the image has it: whoever administers dom0 does so with sudo. */
int step_user(struct install *in, struct error *err)
{
	static const char *const groups[] = {"sudo", "qubes", NULL};
	const struct answers *answers = in->plan->answers;

	return account_create(in->plan->places.target, answers->user, &answers->password, groups, err);
}
