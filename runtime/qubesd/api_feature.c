/* Features and tags of qubes. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "runtime/qubesd/call.h"
#include "runtime/qubesd/property_net.h"
#include "runtime/qubesd/sync.h"

enum { TAG_MAX = 255 };

static enum call_result feature_list(struct call *c)
{
	for (size_t i = 0; i < c->target->features.n; i++)
		strbuf_printf(&c->out, "%s\n", c->target->features.v[i].key);
	return CALL_DONE;
}

static enum call_result answer_feature(struct call *c, const char *value)
{
	if (!value)
		return call_raise(c, "QubesFeatureNotFoundError",
				  "Feature not set for domain %s: %s", c->target->name,
				  call_argument(c));
	strbuf_add_str(&c->out, value);
	return CALL_DONE;
}

static enum call_result feature_get(struct call *c)
{
	return answer_feature(c, kv_get(&c->target->features, call_argument(c)));
}

static const char *with_template(struct call *c)
{
	return net_feature(c->d->model, c->target, call_argument(c));
}

static const char *with_netvm(struct call *c)
{
	struct property_ctx ctx = {c->d->model, c->target, c->arena};
	const char *value = NULL;

	for (size_t i = 0; ctx.vm && !value && i <= c->d->model->n_vms; i++) {
		value = kv_get(&ctx.vm->features, call_argument(c));
		ctx.vm = model_find_name(c->d->model, property_value(&ctx, "netvm"));
	}
	return value;
}

static const char *adminvm_feature(struct call *c, const char *value)
{
	return value ? value : kv_get(&c->d->model->vms[0]->features, call_argument(c));
}

static enum call_result feature_check_template(struct call *c)
{
	return answer_feature(c, with_template(c));
}

static enum call_result feature_check_netvm(struct call *c)
{
	return answer_feature(c, with_netvm(c));
}

static enum call_result feature_check_adminvm(struct call *c)
{
	return answer_feature(c, adminvm_feature(c, kv_get(&c->target->features, call_argument(c))));
}

static enum call_result feature_check_both(struct call *c)
{
	return answer_feature(c, adminvm_feature(c, with_template(c)));
}

/* Services and the like are told to a qube that runs. */
static void feature_effect(struct call *c, const char *name, const char *value)
{
	struct blob b = blob_of(name);

	if (c->d->offline)
		return;
	if (blob_has_prefix(b, "service.") && b.n - 8 <= 48)
		sync_key(c->d, c->target, arena_printf(c->arena, "/qubes-service/%s", name + 8),
			 value ? *value ? "1" : "0" : NULL);
	else if (blob_has_prefix(b, "vm-config."))
		sync_key(c->d, c->target, arena_printf(c->arena, "/vm-config/%s", name + 10),
			 value);
	else if (!strcmp(name, "ipv6"))
		sync_all_networks(c->d);
}

/* What a qube of Qubes OS is told instead of its own addresses. A netvm that does not translate them drops all that it sends. */
static bool is_false_address(const char *feature)
{
	return !strcmp(feature, "net.fake-ip") || !strcmp(feature, "net.fake-gateway") || !strcmp(feature, "net.fake-netmask");
}

static enum call_result feature_set(struct call *c)
{
	const char *name = call_argument(c), *old = kv_get(&c->target->features, name);
	const char *value = call_payload(c);

	for (size_t i = 0; name[i]; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("_.-", name[i]))
			return call_raise(c, "QubesValueError", "Invalid feature name: '%s'", name);
	for (size_t i = 0; i < c->request.payload.n; i++)
		if (!isprint((unsigned char)c->request.payload.p[i]))
			return call_raise(c, "QubesValueError",
					  "Feature value has to be printable ASCII");
	if (*value && is_false_address(name))
		return call_raise(c, "QubesNotImplementedError",
				  "%s: netvms here do not translate addresses; the qube would have no network", name);
	old = old ? arena_strdup(c->arena, old) : NULL;
	event_send(c->d, c->target, arena_printf(c->arena, "domain-feature-pre-set:%s", name),
		   "feature", name, "value", value, NULL);
	if (!call_save_value(c, &c->target->features, name, value))
		return CALL_DONE;
	if (old)
		event_send(c->d, c->target, arena_printf(c->arena, "domain-feature-set:%s", name),
			   "feature", name, "value", value, "oldvalue", old, NULL);
	else
		event_send(c->d, c->target, arena_printf(c->arena, "domain-feature-set:%s", name),
			   "feature", name, "value", value, NULL);
	feature_effect(c, name, value);
	return CALL_DONE;
}

static enum call_result feature_remove(struct call *c)
{
	const char *name = call_argument(c);

	if (!kv_get(&c->target->features, name))
		return answer_feature(c, NULL);
	event_send(c->d, c->target,
		   arena_printf(c->arena, "domain-feature-pre-delete:%s", name), "feature", name,
		   NULL);
	if (!call_save_value(c, &c->target->features, name, NULL))
		return CALL_DONE;
	event_send(c->d, c->target, arena_printf(c->arena, "domain-feature-delete:%s", name), "feature", name, NULL);
	feature_effect(c, name, NULL);
	return CALL_DONE;
}

static enum call_result tag_list(struct call *c)
{
	_cleanup_strv_ struct strv sorted = {0};

	for (size_t i = 0; i < c->target->tags.n; i++)
		strv_push(&sorted, c->target->tags.v[i]);
	strv_sort(&sorted);
	for (size_t i = 0; i < sorted.n; i++)
		strbuf_printf(&c->out, "%s\n", sorted.v[i]);
	return CALL_DONE;
}

/* A letter or digit first, then those and `_`, `-`. */
static bool tag_ok(struct call *c)
{
	const char *tag = call_argument(c);
	bool ok = isalnum((unsigned char)*tag) && strlen(tag) <= TAG_MAX;

	for (size_t i = 0; tag[i]; i++)
		ok &= isalnum((unsigned char)tag[i]) || strchr("_-", tag[i]);
	if (!ok)
		call_raise(c, "QubesInvalidTagError", "Invalid tag: '%s'", tag);
	return ok;
}

static enum call_result tag_get(struct call *c)
{
	if (tag_ok(c))
		strbuf_add_str(&c->out, strv_contains(&c->target->tags, call_argument(c)) ? "1" : "0");
	return CALL_DONE;
}

/* These record facts that the admin domain alone knows. */
static bool tag_changeable(struct call *c)
{
	if (!tag_ok(c))
		return false;
	if (!blob_has_prefix(c->request.argument, "created-by-") || c->source->class == CLASS_ADMIN)
		return true;
	call_raise(c, "PermissionDenied", "Tags created-by-* cannot be changed");
	return false;
}

static enum call_result tag_set(struct call *c)
{
	const char *tag = call_argument(c);

	if (!tag_changeable(c) || !vm_tag_add(c->target, tag))
		return CALL_DONE;
	if (call_save(c))
		event_send(c->d, c->target, arena_printf(c->arena, "domain-tag-add:%s", tag), "tag",
			   tag, NULL);
	else
		vm_tag_remove(c->target, tag);
	return CALL_DONE;
}

static enum call_result tag_remove(struct call *c)
{
	const char *tag = call_argument(c);

	if (!tag_changeable(c))
		return CALL_DONE;
	if (!vm_tag_remove(c->target, tag))
		return call_raise(c, "QubesTagNotFoundError", "Domain %s has no tag '%s'",
				  c->target->name, tag);
	if (call_save(c))
		event_send(c->d, c->target, arena_printf(c->arena, "domain-tag-delete:%s", tag),
			   "tag", tag, NULL);
	else
		vm_tag_add(c->target, tag);
	return CALL_DONE;
}

const struct call_method feature_methods[] = {
	{"admin.vm.feature.List", TO_ANY, feature_list},
	{"admin.vm.feature.Get", TO_ANY | ARGUMENT, feature_get},
	{"admin.vm.feature.CheckWithTemplate", TO_ANY | ARGUMENT, feature_check_template},
	{"admin.vm.feature.CheckWithNetvm", TO_ANY | ARGUMENT, feature_check_netvm},
	{"admin.vm.feature.CheckWithAdminVM", TO_ANY | ARGUMENT, feature_check_adminvm},
	{"admin.vm.feature.CheckWithTemplateAndAdminVM", TO_ANY | ARGUMENT, feature_check_both},
	{"admin.vm.feature.Set", TO_ANY | ARGUMENT | PAYLOAD_OPTIONAL, feature_set},
	{"admin.vm.feature.Remove", TO_ANY | ARGUMENT, feature_remove},
	{"admin.vm.tag.List", TO_ANY, tag_list},
	{"admin.vm.tag.Get", TO_ANY | ARGUMENT, tag_get},
	{"admin.vm.tag.Set", TO_ANY | ARGUMENT, tag_set},
	{"admin.vm.tag.Remove", TO_ANY | ARGUMENT, tag_remove},
	{0},
};
