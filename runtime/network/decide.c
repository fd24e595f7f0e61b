#include "runtime/network/decide.h"

#include <string.h>

#define STATE_INIT_WAIT "2"
#define STATE_CONNECTED "4"
#define STATE_CLOSED "6"

bool backend_key_matters(struct blob key)
{
	return !key.n || blob_eq_str(key, "state") || blob_eq_str(key, "online");
}

enum backend_action backend_decide(const char *state, const char *online, const char *status, bool known)
{
	if (!state)
		return known ? BACKEND_OFFLINE : BACKEND_NOTHING;
	if (!strcmp(state, STATE_CLOSED)) {
		if (online && !strcmp(online, "0"))
			return BACKEND_REMOVE;
		return known ? BACKEND_OFFLINE : BACKEND_NOTHING;
	}
	if (status && !strcmp(status, "error"))
		return BACKEND_NOTHING;
	/* Connected and unknown: set up by an earlier run of ours, whose rules may be gone. */
	if (!known && (!strcmp(state, STATE_INIT_WAIT) || !strcmp(state, STATE_CONNECTED)))
		return BACKEND_ONLINE;
	return BACKEND_NOTHING;
}
