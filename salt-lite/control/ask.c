/* Questions to qubesd. */
#include <string.h>

#include "salt-lite/control/target.h"

#include "runtime/qubesadmin/include/qubesadmin-values.h"
#include "runtime/qubesadmin/include/qubesadmin.h"

int control_ask(const struct control *c, const char *qube, const char *method, const char *argument, const char *payload,
		struct strbuf *out, struct error *err)
{
	struct admin admin = {.socket = c->socket};
	_cleanup_admin_error_ struct admin_error answer = {0};
	_cleanup_strbuf_ struct strbuf ignored = {0};
	int r = admin_call(&admin, qube, method, argument, blob_of(payload ? payload : ""), out ? out : &ignored, &answer);

	if (r == -EREMOTEIO)
		return error_set(err, r, qube, NULL, "%s: %s", method,
				 answer.message && *answer.message ? answer.message : answer.type);
	return r < 0 ? error_errno(err, r, qube, "qubesd cannot be asked") : 0;
}

int control_property(const struct control *c, const char *qube, const char *property, struct strbuf *value,
		     struct error *err)
{
	_cleanup_strbuf_ struct strbuf answer = {0};
	struct admin_property p;
	int r = control_ask(c, qube, "admin.vm.property.Get", property, NULL, &answer, err);

	if (r < 0)
		return r;
	admin_property_parse(strbuf_blob(&answer), &p);
	strbuf_add(value, blob_trim(p.value).p, blob_trim(p.value).n);
	return 0;
}
