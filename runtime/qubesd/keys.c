#include "runtime/qubesd/keys.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "common/base/strbuf.h"
#include "runtime/qubesd/property_net.h"
#include "runtime/qubesdb/include/qubesdb-client.h"

enum { VALUE_MAX = 3071 };

struct key {
	const char *name, *path;
	const char *value; /* NULL: removed */
};

struct keys {
	const char *run_dir, *name;
	struct key *v;
	size_t n, cap;
	struct arena *arena;
};

static void add(struct keys *k, const char *path, const char *value)
{
	if (k->n == k->cap) {
		size_t cap = k->cap ? k->cap * 2 : 64;
		struct key *v = arena_alloc(k->arena, cap * sizeof(*v));

		if (k->n)
			memcpy(v, k->v, k->n * sizeof(*v));
		k->v = v;
		k->cap = cap;
	}
	k->v[k->n++] = (struct key){k->name, path, value};
}

struct keys *keys_new(const struct qubesd *d, struct arena *a)
{
	struct keys *k = arena_alloc(a, sizeof(*k));

	*k = (struct keys){.run_dir = d->run_dir, .arena = a};
	return k;
}

void keys_add(struct keys *k, const struct vm *vm, const char *path, const char *value)
{
	k->name = arena_strdup(k->arena, vm->name);
	add(k, arena_strdup(k->arena, path), value ? arena_strdup(k->arena, value) : NULL);
}

/* Olson name: where /etc/localtime points to below zoneinfo. */
static void add_timezone(struct keys *k)
{
	char target[PATH_MAX];
	ssize_t n = readlink("/etc/localtime", target, sizeof(target) - 1);
	char *name;

	if (n <= 0)
		return;
	target[n] = 0;
	name = strstr(target, "/zoneinfo/");
	if (name)
		add(k, "/qubes-timezone", arena_strdup(k->arena, name + strlen("/zoneinfo/")));
}

/* base64 of 64 random bytes. */
static void add_seed(struct keys *k)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned char in[66] = {0};
	char *out = arena_alloc(k->arena, 89), *p = out;

	if (getrandom(in, 64, 0) != 64)
		return;
	for (size_t i = 0; i < sizeof(in); i += 3) {
		unsigned v = (unsigned)in[i] << 16 | (unsigned)in[i + 1] << 8 | in[i + 2];

		for (int shift = 18; shift >= 0; shift -= 6)
			*p++ = digits[v >> shift & 63];
	}
	out[86] = out[87] = '='; /* 64 = 21 * 3 + 1 */
	add(k, "/qubes-random-seed", out);
}

static const char *vm_type(const struct property_ctx *ctx)
{
	if (ctx->vm->class == CLASS_TEMPLATE)
		return "TemplateVM";
	if (strcmp(property_value(ctx, "provides_network"), "True") != 0)
		return "AppVM";
	return *property_value(ctx, "netvm") ? "ProxyVM" : "NetVM";
}

static const char *persistence(const struct vm *vm)
{
	if (vm->class & (CLASS_TEMPLATE | CLASS_STANDALONE))
		return "full";
	return vm->class == CLASS_DISP ? "none" : "rw-only";
}

static void add_features(struct keys *k, const struct vm *vm)
{
	for (size_t i = 0; i < vm->features.n; i++) {
		const char *key = vm->features.v[i].key, *value = vm->features.v[i].value;
		struct blob name = blob_of(key);

		if (blob_has_prefix(name, "service.") && name.n - 8 <= 48)
			add(k, arena_printf(k->arena, "/qubes-service/%s", key + 8),
			    *value ? "1" : "0");
		else if (blob_has_prefix(name, "vm-config."))
			add(k, arena_printf(k->arena, "/vm-config/%s", key + 10), value);
		else if (blob_has_prefix(name, "custom-persist."))
			add(k, arena_printf(k->arena, "/persist/%s", key + 15), value);
	}
}

/* Present while there is a netvm, else removed. */
static void add_if(struct keys *k, bool present, const char *path, const char *value)
{
	add(k, path, present && *value ? value : NULL);
}

void keys_add_network(struct keys *k, const struct qubesd *d, const struct vm *vm)
{
	struct property_ctx ctx = {d->model, vm, k->arena};
	bool up = net_uplink(d->model, vm);

	k->name = arena_strdup(k->arena, vm->name);
	add_if(k, up, "/qubes-mac", property_value(&ctx, "mac"));
	add_if(k, up, "/qubes-ip", property_value(&ctx, "visible_ip"));
	add_if(k, up, "/qubes-netmask", property_value(&ctx, "visible_netmask"));
	add_if(k, up, "/qubes-gateway", property_value(&ctx, "visible_gateway"));
	add_if(k, up, "/qubes-primary-dns", NET_DNS_PRIMARY);
	add_if(k, up, "/qubes-secondary-dns", NET_DNS_SECONDARY);
	add_if(k, up, "/qubes-ip6", property_value(&ctx, "visible_ip6"));
	add_if(k, up, "/qubes-gateway6", property_value(&ctx, "visible_gateway6"));
}

static void add_netvm(struct keys *k, const struct property_ctx *ctx)
{
	const char *gateway6 = property_value(ctx, "gateway6");

	if (!net_provides(ctx->m, ctx->vm))
		return;
	/* Of this one only its presence counts. */
	add(k, "/qubes-netvm-network", property_value(ctx, "gateway"));
	add(k, "/qubes-netvm-gateway", property_value(ctx, "gateway"));
	if (*gateway6)
		add(k, "/qubes-netvm-gateway6", gateway6);
	add(k, "/qubes-netvm-netmask", property_value(ctx, "netmask"));
	add(k, "/qubes-netvm-primary-dns", NET_DNS_PRIMARY);
	add(k, "/qubes-netvm-secondary-dns", NET_DNS_SECONDARY);
}

static void add_firewall(struct keys *k, const struct firewall *f, const char *ip, int family)
{
	const char *base = arena_printf(k->arena, "/qubes-firewall/%s", ip);
	long long now = time(NULL);

	if (!*ip)
		return;
	add(k, arena_printf(k->arena, "%s/", base), NULL);
	add(k, arena_printf(k->arena, "%s/policy", base), "drop");
	for (size_t i = 0; i < f->n; i++) {
		const char *entry = firewall_entry(&f->v[i], family, now, k->arena);

		if (entry)
			add(k, arena_printf(k->arena, "%s/%04zu", base, i), entry);
	}
	add(k, base, ""); /* from here on it is in force */
}

void keys_add_client(struct keys *k, const struct qubesd *d, const struct vm *netvm,
		     const struct vm *client, const struct firewall *f)
{
	struct property_ctx ctx = {d->model, client, k->arena};

	k->name = arena_strdup(k->arena, netvm->name);
	add_firewall(k, f, property_value(&ctx, "ip"), 4);
	add_firewall(k, f, property_value(&ctx, "ip6"), 6);
}

void keys_add_connected(struct keys *k, const struct qubesd *d, const struct vm *netvm,
			const struct vm *with)
{
	_cleanup_strbuf_ struct strbuf ip = {0}, ip6 = {0};

	for (size_t i = 0; i < d->model->n_vms; i++) {
		struct property_ctx ctx = {d->model, d->model->vms[i], k->arena};
		const char *six;

		if (ctx.vm->class == CLASS_ADMIN || (ctx.vm != with && ctx.vm->domid < 0) ||
		    net_uplink(d->model, ctx.vm) != netvm)
			continue;
		six = property_value(&ctx, "ip6");
		strbuf_printf(&ip, "%s%s", ip.n ? " " : "", property_value(&ctx, "ip"));
		if (*six)
			strbuf_printf(&ip6, "%s%s", ip6.n ? " " : "", six);
	}
	k->name = arena_strdup(k->arena, netvm->name);
	/* A value has a limit; so many clients no netvm has. */
	add(k, "/connected-ips", arena_strndup(k->arena, ip.n ? ip.p : "", ip.n < VALUE_MAX ? ip.n : VALUE_MAX));
	add(k, "/connected-ips6",
	    arena_strndup(k->arena, ip6.n ? ip6.p : "", ip6.n < VALUE_MAX ? ip6.n : VALUE_MAX));
}

void keys_add_start(struct keys *k, const struct qubesd *d, const struct vm *vm)
{
	struct property_ctx ctx = {d->model, vm, k->arena};
	const char *anonymous = kv_get(&vm->features, "anon-timezone");

	k->name = arena_strdup(k->arena, vm->name);
	add(k, "/name", k->name);
	add(k, "/type", vm_class_name(vm->class));
	add(k, "/default-user", property_value(&ctx, "default_user"));
	add(k, "/qubes-vm-type", vm_type(&ctx));
	add(k, "/qubes-vm-updateable", property_value(&ctx, "updateable"));
	add(k, "/qubes-vm-persistence", persistence(vm));
	add(k, "/qubes-debug-mode", strcmp(property_value(&ctx, "debug"), "True") == 0 ? "1" : "0");
	add(k, "/qubes-base-template", property_value(&ctx, "template"));
	add_seed(k);
	if (!anonymous || !*anonymous)
		add_timezone(k);
	add(k, "/keyboard-layout", property_value(&ctx, "keyboard_layout"));
	add(k, "/qubes-gui-enabled", "False");
	add(k, "/qubes-service/meminfo-writer",
	    strcmp(property_value(&ctx, "maxmem"), "0") ? "1" : "0");
	add_features(k, vm);
	add_netvm(k, &ctx);
	if (net_uplink(d->model, vm))
		keys_add_network(k, d, vm);
	add(k, "/qubes-block-devices", "");
	add(k, "/qubes-usb-devices", "");
}

static int write_one(qdb_handle_t h, const struct key *key)
{
	if (key->value)
		return qdb_write(h, key->path, key->value, (unsigned)strlen(key->value)) ? 0
											 : -errno;
	return qdb_rm(h, key->path) || errno == ENOENT ? 0 : -errno;
}

int keys_write(const void *arg, struct error *err)
{
	const struct keys *k = arg;
	qdb_handle_t h = NULL;
	int r = 0;

	for (size_t i = 0; i < k->n && r == 0; i++) {
		const struct key *key = &k->v[i];

		if (i == 0 || strcmp(key->name, k->v[i - 1].name) != 0) {
			if (h)
				qdb_close(h);
			h = qdb_open_dir(k->run_dir, key->name);
			if (!h)
				return error_errno(err, -errno, key->name,
						   "cannot reach its qubesdb-daemon");
		}
		r = write_one(h, key);
		if (r < 0)
			error_errno(err, r, key->path, "cannot write to qubesdb");
	}
	if (h)
		qdb_close(h);
	return r;
}
