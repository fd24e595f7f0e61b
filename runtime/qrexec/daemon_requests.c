/* Calls that the qube asks for. What comes from it is cleaned, then decided by the policy. */
#include <string.h>

#include "runtime/qrexec/daemon.h"

static void refuse(struct daemon *d, const char ident[32])
{
	daemon_send(d, MSG_SERVICE_REFUSED, ident, sizeof(struct service_params), NULL, 0);
}

bool daemon_request_take(struct daemon *d, const char ident[32])
{
	for (unsigned i = 0; i < DAEMON_MAX_PENDING; i++) {
		char *known = d->pending[i].ident;

		if (known[0] && memcmp(known, ident, sizeof(d->pending[i].ident)) == 0) {
			memset(known, 0, sizeof(d->pending[i].ident));
			return true;
		}
	}
	return false;
}

void daemon_request(struct daemon *d, uint32_t type, const struct message *m)
{
	struct trigger t;

	if (!trigger_parse(type, m->p, m->n, &t))
		return;
	daemon_log(d, "%s: refused: there is no policy daemon", t.service_n ? "call" : "empty call");
	refuse(d, t.params.request_id.ident);
}
