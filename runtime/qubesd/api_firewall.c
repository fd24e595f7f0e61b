/* admin.vm.firewall.* */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "runtime/qubesd/call.h"
#include "runtime/qubesd/firewall.h"
#include "runtime/qubesd/storage.h"
#include "runtime/qubesd/sync.h"

static const char *path_of(struct call *c)
{
	return arena_printf(c->arena, "%s/firewall.xml",
			    storage_dir(c->d->model, c->target, c->d->root, c->arena));
}

static enum call_result firewall_get(struct call *c)
{
	_cleanup_error_ struct error err = {0};
	struct firewall f;

	if (firewall_load(path_of(c), c->arena, &f, &err) < 0)
		return call_raise_error(c, "QubesException", &err);
	firewall_format(&f, time(NULL), &c->out);
	return CALL_DONE;
}

static void changed(struct call *c)
{
	event_send(c->d, c->target, "firewall-changed", NULL);
	if (!c->d->offline && c->target->domid > 0)
		sync_client(c->d, c->target, NULL, NULL);
}

static enum call_result firewall_set(struct call *c)
{
	_cleanup_error_ struct error err = {0};
	const char *why = NULL;
	struct firewall f;

	if (firewall_parse(c->arena, c->request.payload, &f, &why) < 0)
		return call_raise(c, "QubesValueError", "Invalid firewall rule: %s", why);
	if (firewall_save(path_of(c), &f, time(NULL), &err) < 0)
		return call_raise_error(c, "QubesException", &err);
	changed(c);
	return CALL_DONE;
}

static enum call_result firewall_reload(struct call *c)
{
	changed(c);
	return CALL_DONE;
}

const struct call_method firewall_methods[] = {
	{"admin.vm.firewall.Get", TO_VM, firewall_get},
	{"admin.vm.firewall.Set", TO_VM | PAYLOAD_OPTIONAL, firewall_set},
	{"admin.vm.firewall.Reload", TO_VM, firewall_reload},
	{0},
};
