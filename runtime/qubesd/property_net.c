#include "runtime/qubesd/property_net.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* A chain of uplinks is never longer, even if qubes.xml was written by hand with a loop in it. */
enum { CHAIN_MAX = 64 };

static struct vm *uplink(const struct property_ctx *ctx)
{
	return model_find_name(ctx->m, property_value(ctx, "netvm"));
}

static bool provides(const struct property_ctx *ctx)
{
	return !strcmp(property_value(ctx, "provides_network"), "True");
}

struct vm *net_uplink(const struct model *m, const struct vm *vm)
{
	_cleanup_arena_ struct arena *a = arena_new();

	return uplink(&(struct property_ctx){m, vm, a});
}

bool net_provides(const struct model *m, const struct vm *vm)
{
	_cleanup_arena_ struct arena *a = arena_new();

	return provides(&(struct property_ctx){m, vm, a});
}

const char *net_feature(const struct model *m, const struct vm *vm, const char *name)
{
	const char *value = NULL;

	/* A disposable's template is a qube that has one itself. */
	for (int depth = 0; vm && !value && depth < 4; depth++) {
		value = kv_get(&vm->features, name);
		vm = vm_template(m, vm);
	}
	return value;
}

const char *net_netvm(const struct property_ctx *ctx)
{
	struct property_ctx global = {ctx->m, NULL, ctx->arena};
	const char *netvm = property_value(&global, "default_netvm");

	/* A template goes online only when told to; a qube that is the default is not its own
	 * uplink. */
	if (ctx->vm->class == CLASS_TEMPLATE || !strcmp(netvm, ctx->vm->name))
		return "";
	return netvm;
}

static bool networked(const struct property_ctx *ctx)
{
	return provides(ctx) || uplink(ctx);
}

/* qid, or dispid for a disposable. */
static int number_of(const struct vm *vm)
{
	const char *dispid = vm->class == CLASS_DISP ? kv_get(&vm->props, "dispid") : NULL;

	return dispid ? atoi(dispid) : vm->qid;
}

const char *net_ip(const struct property_ctx *ctx)
{
	int n = number_of(ctx->vm), hi = 0, lo = n;

	if (!networked(ctx))
		return NULL;
	if (n >= 255) {
		hi = (n - 1) / 254;
		lo = (n - 1) % 254 + 1;
	}
	return arena_printf(ctx->arena, "10.%d.%d.%d", ctx->vm->class == CLASS_DISP ? 138 : 137, hi,
			    lo);
}

/* Feature ipv6 of the qube or of the first of its uplinks that has an opinion. */
static bool wants_ip6(const struct property_ctx *ctx)
{
	const char *value = NULL;
	struct property_ctx at = *ctx;

	for (int i = 0; at.vm && !value && i < CHAIN_MAX; i++) {
		value = kv_get(&at.vm->features, "ipv6");
		at.vm = uplink(&at);
	}
	return value && *value;
}

const char *net_ip6(const struct property_ctx *ctx)
{
	if (!networked(ctx) || !wants_ip6(ctx))
		return NULL;
	return arena_printf(ctx->arena, "fd09:24ef:4179::%s:%x",
			    ctx->vm->class == CLASS_DISP ? "a8a" : "a89", number_of(ctx->vm));
}

static const char *value_or_null(const struct property_ctx *ctx, const char *name)
{
	const char *value = property_value(ctx, name);

	return *value ? value : NULL;
}

const char *net_gateway(const struct property_ctx *ctx)
{
	return provides(ctx) ? net_visible_ip(ctx) : NULL;
}

const char *net_gateway6(const struct property_ctx *ctx)
{
	return provides(ctx) ? net_visible_ip6(ctx) : NULL;
}

const char *net_netmask(const struct property_ctx *ctx)
{
	return networked(ctx) ? "255.255.255.255" : NULL;
}

const char *net_dns(const struct property_ctx *ctx)
{
	return networked(ctx) ? NET_DNS_PRIMARY " " NET_DNS_SECONDARY : NULL;
}

const char *net_visible_ip(const struct property_ctx *ctx)
{
	return value_or_null(ctx, "ip");
}

const char *net_visible_ip6(const struct property_ctx *ctx)
{
	return value_or_null(ctx, "ip6");
}

const char *net_visible_gateway(const struct property_ctx *ctx)
{
	struct property_ctx up = {ctx->m, uplink(ctx), ctx->arena};

	return up.vm ? net_gateway(&up) : NULL;
}

const char *net_visible_gateway6(const struct property_ctx *ctx)
{
	struct property_ctx up = {ctx->m, uplink(ctx), ctx->arena};

	return up.vm ? net_gateway6(&up) : NULL;
}

const char *net_visible_netmask(const struct property_ctx *ctx)
{
	return value_or_null(ctx, "netmask");
}

const char *net_check_netvm(const struct property_ctx *ctx, struct blob value)
{
	const struct vm *netvm = model_find(ctx->m, value);
	struct property_ctx at = *ctx;

	if (!netvm)
		return NULL;
	if (netvm->class == CLASS_ADMIN)
		return "has no network";
	at.vm = netvm;
	if (!provides(&at))
		return "does not provide network";
	/* Following the chain from the new netvm must not lead back here. */
	for (int i = 0; ctx->vm && at.vm && i < CHAIN_MAX; i++) {
		if (at.vm == ctx->vm)
			return "would make a loop of netvms";
		at.vm = uplink(&at);
	}
	return NULL;
}

const char *net_check_provides_network(const struct property_ctx *ctx, struct blob value)
{
	if (!ctx->vm || blob_eq_str(value, "True"))
		return NULL;
	for (size_t i = 0; i < ctx->m->n_vms; i++)
		if (net_uplink(ctx->m, ctx->m->vms[i]) == ctx->vm)
			return arena_printf(ctx->arena, "it is the netvm of %s",
					    ctx->m->vms[i]->name);
	return NULL;
}

const char *net_check_mac(const struct property_ctx *ctx, struct blob value)
{
	bool ok = value.n == 17;

	(void)ctx;
	for (size_t i = 0; ok && i < value.n; i++)
		ok = i % 3 == 2 ? value.p[i] == ':' : isxdigit((unsigned char)value.p[i]) != 0;
	return ok ? NULL : "is no MAC address";
}

static bool is_address(const struct property_ctx *ctx, int family, struct blob value)
{
	unsigned char address[16];

	return inet_pton(family, arena_strndup(ctx->arena, value.p, value.n), address) == 1;
}

const char *net_check_ip(const struct property_ctx *ctx, struct blob value)
{
	return is_address(ctx, AF_INET, value) ? NULL : "is no IPv4 address";
}

const char *net_check_ip6(const struct property_ctx *ctx, struct blob value)
{
	return is_address(ctx, AF_INET6, value) ? NULL : "is no IPv6 address";
}
