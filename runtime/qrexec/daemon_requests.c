/* Calls that the qube asks for. What comes from it is cleaned, then decided by the policy. */
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
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

static bool name_char(unsigned char c, const char *further)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c && strchr(further, c));
}

/* What no name may contain becomes '_': it ends up in logs, in policies and in front of people. */
static void clean(char *p, size_t n, const char *further)
{
	for (size_t i = 0; i < n && p[i]; i++)
		if (!name_char((unsigned char)p[i], further))
			p[i] = '_';
}

/* The qube gets its ident back as it is: it must be a plain word and nothing behind its end. */
static bool ident_ok(const char ident[32])
{
	size_t n = strnlen(ident, 32);

	if (n == 0 || n == 32)
		return false;
	for (size_t i = 0; i < 32; i++)
		if (i < n ? !name_char((unsigned char)ident[i], "_. -") : ident[i])
			return false;
	return true;
}

void daemon_request(struct daemon *d, uint32_t type, const struct message *m)
{
	_cleanup_free_ char *service = NULL;
	struct trigger t;

	if (!trigger_parse(type, m->p, m->n, &t)) {
		daemon_log(d, "malformed request");
		if (m->n >= sizeof(t.params) && type == MSG_TRIGGER_SERVICE4)
			refuse(d, m->p + 2 * sizeof(t.params.target_domain));
		return;
	}
	service = xstrndup(t.service, t.service_n);
	clean(service, t.service_n, "_.-+");
	clean(t.params.target_domain, sizeof(t.params.target_domain), "_.-@:");
	clean(t.params.source_domain, sizeof(t.params.source_domain), "_.-@:");
	if (!ident_ok(t.params.request_id.ident) || !*service || *service == '+') {
		daemon_log(d, "malformed request");
		refuse(d, t.params.request_id.ident);
		return;
	}
	/* Fail closed: nothing is allowed without somebody who allows it. */
	daemon_log(d, "%s -> %s: %s: denied: no policy daemon", d->name, t.params.target_domain, service);
	refuse(d, t.params.request_id.ident);
}
