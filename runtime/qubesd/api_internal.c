/* internal.GetSystemInfo (ref/runtime.md 3.8): what a policy decides by, for the programs of dom0. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/qubesd/call.h"
#include "runtime/qubesd/property.h"

/* None is null, as in Qubes OS. */
static void put(json_t *o, const char *key, const char *value)
{
	json_object_set_new(o, key, *value ? json_string(value) : json_null());
}

static json_t *domain(const struct call *c, const struct vm *vm)
{
	static const char *const texts[] = {"icon", "label", "guivm", "default_dispvm"};
	struct property_ctx ctx = {c->d->model, vm, c->arena};
	const char *internal = kv_get(&vm->features, "internal");
	json_t *o = json_object(), *tags = json_array();

	put(o, "type", vm_class_name(vm->class));
	put(o, "uuid", vm->uuid);
	put(o, "power_state", vm_power_name(vm->power));
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		put(o, texts[i], property_value(&ctx, texts[i]));
	put(o, "relayvm", "");
	put(o, "transport_rpc", "");
	json_object_set_new(o, "internal", json_boolean(internal && *internal));
	json_object_set_new(o, "template_for_dispvms",
			    json_boolean(!strcmp(property_value(&ctx, "template_for_dispvms"), "True")));
	for (size_t i = 0; i < vm->tags.n; i++)
		json_array_append_new(tags, json_string(vm->tags.v[i]));
	json_object_set_new(o, "tags", tags);
	return o;
}

static enum call_result system_info(struct call *c)
{
	json_t *root = json_object(), *domains = json_object();
	char *text;

	json_object_set_new(root, "domains", domains);
	for (size_t i = 0; i < c->d->model->n_vms; i++)
		json_object_set_new(domains, c->d->model->vms[i]->name, domain(c, c->d->model->vms[i]));
	text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(root);
	if (!text)
		return call_raise(c, "QubesException", "out of memory");
	strbuf_add_str(&c->out, text);
	free(text);
	return CALL_DONE;
}

const struct call_method internal_methods[] = {
	{"internal.GetSystemInfo", TO_DOM0, system_info},
	{0},
};
