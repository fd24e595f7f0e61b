#include <string.h>

#include "runtime/qrexec/protocol.h"

bool control_length_ok(uint32_t type, uint32_t len)
{
	switch (type) {
	case MSG_HELLO:
		return len == sizeof(struct peer_info);
	case MSG_EXEC_CMDLINE:
	case MSG_JUST_EXEC:
		/* Without a command it is the daemon's answer to a client. */
		return len >= sizeof(struct exec_params) && len <= QREXEC_MAX_CONTROL;
	case MSG_SERVICE_CONNECT:
		/* Without an ident it is the daemon's answer to a client. */
		return len == sizeof(struct exec_params) ||
		       len == sizeof(struct exec_params) + sizeof(struct service_params);
	case MSG_CONNECTION_TERMINATED:
		return len == sizeof(struct exec_params);
	case MSG_SERVICE_REFUSED:
		return len == sizeof(struct service_params);
	case MSG_TRIGGER_SERVICE:
		return len == sizeof(struct trigger_service_params);
	case MSG_TRIGGER_SERVICE3:
		return len > sizeof(struct trigger_service_params3) &&
		       len <= sizeof(struct trigger_service_params3) + QREXEC_MAX_SERVICE;
	case MSG_TRIGGER_SERVICE4:
		return len > sizeof(struct trigger_service_params4) &&
		       len <= sizeof(struct trigger_service_params4) + QREXEC_MAX_SERVICE;
	default:
		return false;
	}
}

bool is_one_string(const char *p, size_t n)
{
	return n > 0 && memchr(p, '\0', n) == p + n - 1;
}

bool exec_message_parse(const void *message, size_t n, struct exec_params *params, const char **command)
{
	const char *p = message;

	if (n <= sizeof(*params))
		return false;
	memcpy(params, p, sizeof(*params));
	*command = p + sizeof(*params);
	return is_one_string(*command, n - sizeof(*params));
}

static bool terminated(const char *field, size_t n)
{
	return memchr(field, '\0', n) != NULL;
}

bool trigger_parse(uint32_t type, const void *message, size_t n, struct trigger *t)
{
	const char *p = message;
	size_t fixed = 0;

	memset(&t->params, 0, sizeof(t->params));
	if (type == MSG_TRIGGER_SERVICE) {
		const struct trigger_service_params *v2 = message;

		if (n != sizeof(*v2) || !terminated(v2->service_name, sizeof(v2->service_name)))
			return false;
		memcpy(t->params.target_domain, v2->target_domain, sizeof(v2->target_domain));
		t->params.request_id = v2->request_id;
		t->service = v2->service_name;
		t->service_n = strlen(t->service);
		return terminated(v2->target_domain, sizeof(v2->target_domain)) &&
		       terminated(v2->request_id.ident, sizeof(v2->request_id.ident));
	}
	if (type == MSG_TRIGGER_SERVICE3 && n > sizeof(struct trigger_service_params3)) {
		fixed = sizeof(struct trigger_service_params3);
		memcpy(t->params.target_domain, p, fixed);
	} else if (type == MSG_TRIGGER_SERVICE4 && n > sizeof(struct trigger_service_params4)) {
		fixed = sizeof(struct trigger_service_params4);
		memcpy(&t->params, p, fixed);
	} else {
		return false;
	}
	t->service = p + fixed;
	t->service_n = n - fixed - 1;
	return is_one_string(t->service, n - fixed) &&
	       terminated(t->params.source_domain, sizeof(t->params.source_domain)) &&
	       terminated(t->params.target_domain, sizeof(t->params.target_domain)) &&
	       terminated(t->params.request_id.ident, sizeof(t->params.request_id.ident));
}

size_t chunk_of_version(unsigned version)
{
	return version < 3 ? QREXEC_CHUNK_V2 : QREXEC_CHUNK;
}

bool is_dom0(const char *target)
{
	return strcmp(target, "dom0") == 0 || strcmp(target, "@adminvm") == 0 ||
	       strcmp(target, "uuid:00000000-0000-0000-0000-000000000000") == 0;
}
